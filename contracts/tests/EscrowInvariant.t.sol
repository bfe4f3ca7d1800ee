// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Escrow} from "../src/Escrow.sol";
import {EscrowStorage} from "../src/EscrowStorage.sol";
import {TestUSDC} from "../src/TestUSDC.sol";
import {Base} from "./Base.sol";
import {EscrowHandler} from "./EscrowHandler.sol";

/// The money rules that never bend, after any sequence of steps.
contract EscrowInvariantTest is Base {
    TestUSDC private usdc;
    Escrow private escrow;
    EscrowHandler private handler;

    function setUp() public {
        vm.warp(1_800_000_000);
        usdc = new TestUSDC(address(this));
        escrow = new Escrow(usdc, 2 hours);
        handler = new EscrowHandler(usdc, escrow);
        usdc.transferOwnership(address(handler));
        handler.deposit(0, 1e12);
        handler.approve(0, 0, 0, 1e11);
        handler.approveWithSigner(0, 0, 1e11, 0);
    }

    /// Read by forge: only the handler is called.
    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    /// Read by forge: leaving is what the run ends with, not a step.
    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        bytes4[] memory selectors = new bytes4[](11);
        selectors[0] = EscrowHandler.deposit.selector;
        selectors[1] = EscrowHandler.donate.selector;
        selectors[2] = EscrowHandler.withdraw.selector;
        selectors[3] = EscrowHandler.approve.selector;
        selectors[4] = EscrowHandler.increase.selector;
        selectors[5] = EscrowHandler.requestClose.selector;
        selectors[6] = EscrowHandler.finalizeClose.selector;
        selectors[7] = EscrowHandler.consumeAnything.selector;
        selectors[8] = EscrowHandler.consumeBatch.selector;
        selectors[9] = EscrowHandler.consume.selector;
        selectors[10] = EscrowHandler.consumeWithPermit.selector;
        targets = new FuzzSelector[](2);
        targets[0] = FuzzSelector(address(handler), selectors);
        bytes4[] memory rest = new bytes4[](5);
        rest[0] = EscrowHandler.payout.selector;
        rest[1] = EscrowHandler.approveWithSigner.selector;
        rest[2] = EscrowHandler.claimBatch.selector;
        rest[3] = EscrowHandler.claimAnything.selector;
        rest[4] = EscrowHandler.release.selector;
        targets[1] = FuzzSelector(address(handler), rest);
    }

    function invariant_what_is_owed_is_held_and_what_is_held_is_there() public view {
        uint256 owed = 0;
        for (uint256 i = 0; i < handler.payerCount(); i++) owed += escrow.free(handler.payers(i));
        for (uint256 i = 0; i < handler.providerCount(); i++) owed += escrow.earned(handler.providers(i));
        for (uint256 i = 0; i < handler.count(); i++) {
            EscrowStorage.Channel memory c = escrow.channel(handler.ids(i));
            if (!c.finalized) owed += c.reserved - c.claimed;
        }
        eq(owed, escrow.held(), "owed");
        eq(usdc.balanceOf(address(escrow)), escrow.held() + handler.donated(), "balance");
        eq(escrow.held(), handler.deposited() - handler.withdrawn() - handler.paid(), "flows");
    }

    function invariant_claims_stay_within_price_and_reserve() public view {
        for (uint256 i = 0; i < handler.count(); i++) {
            EscrowStorage.Channel memory c = escrow.channel(handler.ids(i));
            isTrue(c.claimed <= c.reserved, "above reserved");
            if (c.signer == address(0)) {
                isTrue(c.claimed <= uint256(c.price) * c.calls, "above price");
            } else {
                uint256 signed = handler.vouched(handler.ids(i)) + handler.permitted(handler.ids(i));
                isTrue(c.claimed <= signed, "above what was signed");
            }
        }
    }

    function invariant_providers_have_what_was_claimed() public view {
        uint256 claimed = 0;
        for (uint256 i = 0; i < handler.count(); i++) claimed += escrow.channel(handler.ids(i)).claimed;
        uint256 earned = handler.paid();
        for (uint256 i = 0; i < handler.providerCount(); i++) earned += escrow.earned(handler.providers(i));
        eq(claimed, earned, "earned");
    }

    function invariant_totals_only_grow_and_final_is_for_good() public view {
        isFalse(handler.broken(), "a step went back or was taken that must not be");
    }

    /// Called by forge at the end of each run.
    function afterInvariant() public {
        handler.everybodyLeaves();
        eq(escrow.held(), 0, "held after everybody left");
        eq(handler.withdrawn() + handler.paid(), handler.deposited(), "money lost");
        eq(usdc.balanceOf(address(escrow)), handler.donated(), "only donations stay");
    }
}
