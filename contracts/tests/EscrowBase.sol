// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Escrow} from "../src/Escrow.sol";
import {CallAuthorization} from "../src/SignedStructs.sol";
import {TestUSDC} from "../src/TestUSDC.sol";
import {Base} from "./Base.sol";

/// An escrow, a payer with money in it, a provider and a stranger.
abstract contract EscrowBase is Base {
    uint64 internal constant T = 24 hours;
    uint128 internal constant PRICE = 1000;
    uint128 internal constant BUDGET = 5_000_000;
    uint128 internal constant DEPOSIT = 100_000_000;
    uint256 internal constant PAYER_KEY = 0xa11ce;

    TestUSDC internal usdc;
    Escrow internal escrow;
    address internal payer;
    address internal provider = address(0xb0b);
    address internal stranger = address(0xe7e);

    function setUp() public virtual {
        vm.warp(1_800_000_000);
        payer = vm.addr(PAYER_KEY);
        usdc = new TestUSDC(address(this));
        escrow = new Escrow(usdc, T);
        fund(payer, DEPOSIT);
    }

    function fund(address account, uint128 amount) internal {
        usdc.mint(account, amount);
        vm.prank(account);
        usdc.approve(address(escrow), amount);
        vm.prank(account);
        escrow.deposit(amount);
    }

    function open() internal returns (bytes32) {
        return approve(PRICE, BUDGET);
    }

    function approve(uint128 price, uint128 budget) internal returns (bytes32) {
        vm.prank(payer);
        return escrow.approve(provider, price, budget);
    }

    function close(bytes32 id) internal {
        vm.prank(payer);
        escrow.requestClose(id);
    }

    function finalize(bytes32 id) internal {
        close(id);
        vm.warp(now64() + T);
        escrow.finalizeClose(id);
    }

    function consume(bytes32 id, uint128 price, uint64 callsBefore) internal returns (bool) {
        vm.prank(provider);
        return escrow.consume(id, price, callsBefore);
    }

    function row(bytes32 id, uint64 calls, uint128 amount) internal pure returns (Escrow.ConsumeRow[] memory rows) {
        rows = new Escrow.ConsumeRow[](1);
        rows[0] = Escrow.ConsumeRow(id, calls, amount);
    }

    function batch(Escrow.ConsumeRow[] memory rows) internal returns (uint256) {
        vm.prank(provider);
        return escrow.consumeBatch(rows);
    }

    function expectSkip(bytes32 id, address caller, Escrow.SkipReason reason) internal {
        vm.expectEmit();
        emit Escrow.RowSkipped(id, caller, reason);
    }

    function permit(bytes32 nonce) internal view returns (CallAuthorization memory) {
        return CallAuthorization(payer, provider, keccak256("request"), PRICE, nonce, now64() + 600);
    }

    function signed(CallAuthorization memory value) internal view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(PAYER_KEY, escrow.callAuthorizationDigest(value));
        return abi.encodePacked(r, s, v);
    }

    /// The channel's unclaimed money, everything free and everything earned is what the escrow holds.
    function checkBooks(bytes32 id) internal view {
        Escrow.Channel memory c = escrow.channel(id);
        uint256 open_ = c.finalized ? 0 : c.reserved - c.claimed;
        uint256 owed = uint256(escrow.free(payer)) + open_ + escrow.earned(provider);
        eq(owed, escrow.held(), "owed");
        isTrue(escrow.held() <= usdc.balanceOf(address(escrow)), "held above balance");
    }
}
