// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Escrow} from "../src/Escrow.sol";
import {EscrowStorage} from "../src/EscrowStorage.sol";
import {CallAuthorization} from "../src/SignedStructs.sol";
import {TestUSDC} from "../src/TestUSDC.sol";
import {Base} from "./Base.sol";

/// An escrow, a payer with money in it, a provider and a stranger.
abstract contract EscrowBase is Base {
    /// Forge's own; the compiler may read block.chainid again after it was changed.
    uint256 internal constant CHAIN = 31337;
    uint64 internal constant T = 24 hours;
    uint128 internal constant PRICE = 1000;
    uint128 internal constant BUDGET = 5_000_000;
    uint128 internal constant DEPOSIT = 100_000_000;
    uint256 internal constant PAYER_KEY = 0xa11ce;
    uint256 internal constant SIGNER_KEY = 0x51;
    uint256 internal constant PROVIDER_KEY = 0xb0b;

    TestUSDC internal usdc;
    Escrow internal escrow;
    address internal payer;
    address internal signer;
    address internal provider;
    address internal stranger = address(0xe7e);

    function setUp() public virtual {
        vm.warp(1_800_000_000);
        payer = vm.addr(PAYER_KEY);
        signer = vm.addr(SIGNER_KEY);
        provider = vm.addr(PROVIDER_KEY);
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

    /// A channel with vouchers.
    function openSigned(bytes32 salt) internal returns (bytes32) {
        vm.prank(payer);
        return escrow.approve(provider, PRICE, BUDGET, signer, salt);
    }

    function sign(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    function voucher(bytes32 id, uint128 cumulative) internal view returns (bytes memory) {
        return sign(SIGNER_KEY, escrow.voucherDigest(id, cumulative));
    }

    /// A good row.
    function claimRow(bytes32 id, uint128 cumulative, uint128 amount)
        internal
        view
        returns (EscrowStorage.ClaimRow memory)
    {
        return EscrowStorage.ClaimRow(id, cumulative, amount, voucher(id, cumulative));
    }

    function claim(EscrowStorage.ClaimRow memory only) internal returns (bool) {
        EscrowStorage.ClaimRow[] memory rows = new EscrowStorage.ClaimRow[](1);
        rows[0] = only;
        vm.prank(provider);
        return escrow.claimBatch(rows) == 1;
    }

    function claim(bytes32 id, uint128 cumulative, uint128 amount) internal returns (bool) {
        return claim(claimRow(id, cumulative, amount));
    }

    function expectClaimSkip(EscrowStorage.ClaimRow memory only, EscrowStorage.SkipReason reason) internal {
        uint128 claimed = escrow.channel(only.id).claimed;
        uint128 earned = escrow.earned(provider);
        expectSkip(only.id, provider, reason);
        isFalse(claim(only), "applied");
        eq(escrow.channel(only.id).claimed, claimed, "claimed");
        eq(escrow.earned(provider), earned, "earned");
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

    function row(bytes32 id, uint64 calls, uint128 amount) internal pure returns (EscrowStorage.ConsumeRow[] memory rows) {
        rows = new EscrowStorage.ConsumeRow[](1);
        rows[0] = EscrowStorage.ConsumeRow(id, calls, amount);
    }

    function batch(EscrowStorage.ConsumeRow[] memory rows) internal returns (uint256) {
        vm.prank(provider);
        return escrow.consumeBatch(rows);
    }

    function expectSkip(bytes32 id, address caller, EscrowStorage.SkipReason reason) internal {
        vm.expectEmit();
        emit EscrowStorage.RowSkipped(id, caller, reason);
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
        EscrowStorage.Channel memory c = escrow.channel(id);
        uint256 open_ = c.finalized ? 0 : c.reserved - c.claimed;
        uint256 owed = uint256(escrow.free(payer)) + open_ + escrow.earned(provider);
        eq(owed, escrow.held(), "owed");
        isTrue(escrow.held() <= usdc.balanceOf(address(escrow)), "held above balance");
    }
}
