// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Escrow} from "../src/Escrow.sol";
import {EscrowMoney} from "../src/EscrowMoney.sol";
import {EscrowStorage} from "../src/EscrowStorage.sol";
import {EscrowBase} from "./EscrowBase.sol";
import {
    BlacklistToken,
    EighteenDecimals,
    FalseToken,
    FeeByAuthorizationToken,
    PausableToken,
    ReentrantToken,
    SixDecimals
} from "./Tokens.sol";

/// Each known attack on voucher protocols, and each failure that the escrow has to survive, by its name.
contract EscrowAttacksTest is EscrowBase {
    uint256 private constant ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
    uint128 private constant WINDOW = 32 * PRICE;
    bytes32 private id;

    function setUp() public override {
        super.setUp();
        id = openSigned("lane");
    }

    // Attacks.

    function test_attack_double_claim() public {
        EscrowStorage.ClaimRow[] memory rows = new EscrowStorage.ClaimRow[](2);
        rows[0] = claimRow(id, WINDOW, WINDOW);
        rows[1] = rows[0];
        vm.prank(provider);
        eq(escrow.claimBatch(rows), 1, "in one batch");
        vm.prank(provider);
        eq(escrow.claimBatch(rows), 0, "in two");
        eq(escrow.earned(provider), WINDOW, "earned");
    }

    function test_attack_replay_on_another_chain() public {
        EscrowStorage.ClaimRow memory here = claimRow(id, WINDOW, WINDOW);
        vm.chainId(CHAIN + 1);
        expectClaimSkip(here, EscrowStorage.SkipReason.VoucherSignature);
        bytes32 there = openSigned("lane");
        isTrue(there != id, "the same channel has another id");
        vm.chainId(CHAIN);
        isTrue(claim(here), "at home");
    }

    function test_attack_replay_on_another_contract() public {
        Escrow other = new Escrow(usdc, T);
        usdc.mint(payer, BUDGET);
        vm.prank(payer);
        usdc.approve(address(other), BUDGET);
        vm.prank(payer);
        other.deposit(BUDGET);
        vm.prank(payer);
        bytes32 there = other.approve(provider, PRICE, BUDGET, signer, "lane");
        isTrue(there != id, "the same channel has another id");
        EscrowStorage.ClaimRow[] memory rows = new EscrowStorage.ClaimRow[](2);
        rows[0] = claimRow(id, WINDOW, WINDOW);
        rows[1] = claimRow(there, WINDOW, WINDOW);
        vm.prank(provider);
        eq(other.claimBatch(rows), 0, "applied");
    }

    function test_attack_early_withdrawal_of_reserved_money() public {
        vm.expectPartialRevert(EscrowStorage.FreeTooLow.selector);
        vm.prank(payer);
        escrow.withdraw(DEPOSIT - BUDGET + 1);
        close(id);
        uint64 closeAt = escrow.channel(id).closeAt;
        vm.warp(closeAt - 1);
        vm.expectRevert(abi.encodeWithSelector(EscrowStorage.CloseTooEarly.selector, id, closeAt));
        vm.prank(payer);
        escrow.finalizeClose(id);
        isTrue(claim(id, WINDOW, WINDOW), "the provider claims in time");
    }

    function test_attack_overclaim() public {
        expectClaimSkip(claimRow(id, WINDOW, WINDOW + 1), EscrowStorage.SkipReason.AboveCumulative);
        expectClaimSkip(
            EscrowStorage.ClaimRow(id, WINDOW + 1, WINDOW + 1, voucher(id, WINDOW)),
            EscrowStorage.SkipReason.VoucherSignature
        );
        isTrue(claim(id, type(uint128).max, BUDGET), "all that is reserved");
        expectClaimSkip(
            claimRow(id, type(uint128).max, BUDGET + 1), EscrowStorage.SkipReason.AboveReserved
        );
    }

    function test_attack_stale_voucher() public {
        EscrowStorage.ClaimRow memory old = claimRow(id, WINDOW, WINDOW);
        claim(id, 2 * WINDOW, 2 * WINDOW);
        expectClaimSkip(old, EscrowStorage.SkipReason.NotNewer);
    }

    function test_attack_cross_epoch_replay() public {
        EscrowStorage.ClaimRow memory old = claimRow(id, WINDOW, WINDOW);
        finalize(id);
        vm.expectRevert(abi.encodeWithSelector(EscrowStorage.ChannelExists.selector, id));
        vm.prank(payer);
        escrow.approve(provider, PRICE, BUDGET, signer, "lane");
        bytes32 next = openSigned("next");
        expectClaimSkip(old, EscrowStorage.SkipReason.Finalized);
        old.id = next;
        expectClaimSkip(old, EscrowStorage.SkipReason.VoucherSignature);
    }

    function test_attack_malleable_signature() public {
        bytes32 digest = escrow.voucherDigest(id, WINDOW);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(SIGNER_KEY, digest);
        bytes memory twin = abi.encodePacked(r, bytes32(ORDER - uint256(s)), v == 27 ? uint8(28) : uint8(27));
        EscrowStorage.ClaimRow memory first = claimRow(id, WINDOW, PRICE);
        EscrowStorage.ClaimRow memory second = EscrowStorage.ClaimRow(id, WINDOW, 2 * PRICE, twin);
        isTrue(claim(first), "low s");
        expectClaimSkip(second, EscrowStorage.SkipReason.VoucherSignature);
    }

    function test_attack_two_vouchers_of_the_same_amount_pay_once() public {
        // The second is signed anew with another nonce: other bytes, the same (id, cumulative).
        bytes32 digest = escrow.voucherDigest(id, WINDOW);
        bytes memory again = signWithNonce(SIGNER_KEY, digest, 12345);
        isTrue(keccak256(again) != keccak256(voucher(id, WINDOW)), "other bytes");
        isTrue(claim(EscrowStorage.ClaimRow(id, WINDOW, PRICE, again)), "is valid");
        isTrue(claim(id, WINDOW, WINDOW), "the rest by the other");
        expectClaimSkip(
            EscrowStorage.ClaimRow(id, WINDOW, WINDOW, again), EscrowStorage.SkipReason.NotNewer
        );
        eq(escrow.earned(provider), WINDOW, "earned");
    }

    function test_attack_equivocating_payer_gains_nothing() public {
        EscrowStorage.ClaimRow memory higher = claimRow(id, 2 * WINDOW, 2 * WINDOW);
        EscrowStorage.ClaimRow memory lower = claimRow(id, WINDOW, WINDOW);
        isTrue(claim(higher), "the highest counts");
        expectClaimSkip(lower, EscrowStorage.SkipReason.NotNewer);
    }

    function test_attack_fee_on_transfer_token() public {
        FeeByAuthorizationToken token = new FeeByAuthorizationToken();
        Escrow other = withMoney(token, 0);
        token.mint(payer, 100);
        vm.prank(payer);
        token.approve(address(other), 100);
        vm.expectRevert(abi.encodeWithSelector(EscrowStorage.AmountUnexpected.selector, 100, 99));
        vm.prank(payer);
        other.deposit(100);
        vm.expectRevert(abi.encodeWithSelector(EscrowStorage.AmountUnexpected.selector, 100, 99));
        other.depositWithAuthorization(payer, payer, 100, 0, type(uint256).max, "salt", "");
        eq(other.held(), 0, "held");
    }

    function test_attack_token_with_wrong_decimals() public {
        EighteenDecimals token = new EighteenDecimals();
        vm.expectRevert(abi.encodeWithSelector(EscrowStorage.DecimalsNotSix.selector, 18));
        new Escrow(token, T);
    }

    function test_attack_token_that_says_false() public {
        FalseToken token = new FalseToken();
        Escrow other = withMoney(token, 100);
        token.mint(payer, 1);
        token.refuse(true);
        vm.expectRevert(abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(token)));
        vm.prank(payer);
        other.deposit(1);
        vm.expectRevert(abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(token)));
        vm.prank(payer);
        other.withdraw(100);
        eq(other.free(payer), 100, "still free");
        eq(other.held(), 100, "still held");
        token.refuse(false);
        vm.prank(payer);
        other.withdraw(100);
        eq(token.balanceOf(payer), 101, "left");
    }

    function test_attack_paused_token_stops_no_claim_and_no_close() public {
        PausableToken token = new PausableToken();
        Escrow other = withMoney(token, 100);
        vm.prank(payer);
        bytes32 there = other.approve(provider, PRICE, 60, signer, "lane");
        token.pause(true);
        claimAt(other, there, 10);
        vm.prank(payer);
        other.requestClose(there);
        vm.warp(now64() + T);
        other.finalizeClose(there);
        eq(other.free(payer), 90, "free");
        vm.expectRevert(PausableToken.Paused.selector);
        vm.prank(provider);
        other.payout(provider);
        eq(other.earned(provider), 10, "earned stays");
        token.pause(false);
        vm.prank(provider);
        other.payout(provider);
        vm.prank(payer);
        other.withdraw(90);
        eq(other.held(), 0, "held");
    }

    function test_attack_reentrant_payout_takes_nothing_more() public {
        ReentrantToken token = new ReentrantToken();
        Escrow other = withMoney(token, 100);
        vm.prank(payer);
        bytes32 there = other.approve(address(token), PRICE, 60, signer, "lane");
        EscrowStorage.ClaimRow[] memory rows = new EscrowStorage.ClaimRow[](1);
        rows[0] = EscrowStorage.ClaimRow(there, 10, 10, sign(SIGNER_KEY, other.voucherDigest(there, 10)));
        vm.prank(address(token));
        other.claimBatch(rows);
        token.attack(address(other), abi.encodeCall(EscrowMoney.payout, (address(token))));
        vm.prank(address(token));
        other.payout(stranger);
        isFalse(token.reentered(), "reentered");
        eq(token.balanceOf(stranger), 10, "paid once");
        eq(other.held(), 90, "held");
    }

    function test_attack_contract_as_signer() public {
        vm.expectRevert(abi.encodeWithSelector(EscrowStorage.SignerHasCode.selector, address(this)));
        vm.prank(payer);
        escrow.approve(provider, PRICE, 1, address(this), "1271");
    }

    /// An EIP-1271 wallet would say yes to anything; nobody asks it.
    function isValidSignature(bytes32, bytes calldata) external pure returns (bytes4) {
        return 0x1626ba7e;
    }

    function test_attack_claims_for_a_provider_that_is_not_ones_own() public {
        EscrowStorage.ClaimRow[] memory rows = new EscrowStorage.ClaimRow[](1);
        rows[0] = claimRow(id, WINDOW, WINDOW);
        expectSkip(id, stranger, EscrowStorage.SkipReason.NotAuthorised);
        vm.prank(stranger);
        escrow.claimBatch(rows);
        eq(escrow.earned(stranger), 0, "earned");
    }

    function testFuzz_attack_reorg_rows_sent_again_come_to_the_same(uint8[8] calldata order, uint256 lost) public {
        uint128 most = 0;
        for (uint256 round = 0; round < 2; round++) {
            for (uint256 i = 0; i < order.length; i++) {
                // In the first round a reorganisation drops some of the rows; all are broadcast again.
                if (round == 0 && lost & (1 << i) != 0) continue;
                claim(id, uint128(order[i]) * PRICE, uint128(order[i]) * PRICE);
                if (order[i] > most) most = order[i];
            }
        }
        eq(escrow.earned(provider), most * PRICE, "earned");
    }

    // Failures.

    function test_failure_client_offline() public {
        isTrue(claim(id, WINDOW, WINDOW), "the last voucher is enough");
        eq(escrow.earned(provider), WINDOW, "earned");
    }

    function test_failure_client_lost_its_state() public {
        claim(id, WINDOW, WINDOW);
        // What it signed last is on the chain at least as far as it was claimed.
        eq(escrow.channel(id).claimed, WINDOW, "claimed");
        eq(escrow.channelId(payer, provider, "lane", signer), id, "the id follows from what it knows");
    }

    function test_failure_provider_vanishes() public {
        claim(id, WINDOW, 5 * PRICE);
        close(id);
        vm.warp(now64() + T);
        escrow.finalizeClose(id);
        eq(escrow.free(payer), DEPOSIT - 5 * PRICE, "the payer lost what was claimed");
    }

    function test_failure_payer_closes_early() public {
        close(id);
        vm.warp(now64() + T - 1);
        isTrue(claim(id, WINDOW, WINDOW), "within T");
        vm.warp(now64() + 1);
        escrow.finalizeClose(id);
        eq(escrow.earned(provider), WINDOW, "earned");
        eq(escrow.free(payer), DEPOSIT - WINDOW, "the payer has the rest");
    }

    function test_failure_chain_down_past_the_delay() public {
        claim(id, WINDOW, WINDOW);
        close(id);
        vm.warp(now64() + 2 * T);
        escrow.finalizeClose(id);
        expectClaimSkip(claimRow(id, 2 * WINDOW, 2 * WINDOW), EscrowStorage.SkipReason.Finalized);
        eq(escrow.earned(provider), WINDOW, "what was claimed stays the provider's");
    }

    function test_failure_blacklisted_payee() public {
        BlacklistToken token = new BlacklistToken();
        Escrow other = withMoney(token, 100);
        vm.prank(payer);
        bytes32 there = other.approve(provider, PRICE, 60, signer, "lane");
        token.blacklist(provider);
        claimAt(other, there, 10);
        vm.expectRevert(abi.encodeWithSelector(BlacklistToken.Blacklisted.selector, provider));
        vm.prank(provider);
        other.payout(provider);
        eq(other.earned(provider), 10, "earned stays");
        vm.prank(provider);
        other.payout(stranger);
        eq(token.balanceOf(stranger), 10, "paid elsewhere");
    }

    function test_failure_provider_double_counts() public {
        expectClaimSkip(claimRow(id, WINDOW, WINDOW + PRICE), EscrowStorage.SkipReason.AboveCumulative);
        claim(id, WINDOW, WINDOW);
        eq(escrow.channel(id).claimed, WINDOW, "stops at what was signed");
    }

    function test_failure_settlers_key_stolen() public {
        vm.prank(provider);
        escrow.setSettler(stranger, type(uint64).max);
        vm.expectRevert(EscrowStorage.AmountMissing.selector);
        vm.prank(stranger);
        escrow.payout(stranger);
        vm.prank(provider);
        escrow.setSettler(address(0), 0);
        test_attack_claims_for_a_provider_that_is_not_ones_own();
    }

    function withMoney(SixDecimals token, uint128 amount) private returns (Escrow other) {
        other = new Escrow(token, T);
        if (amount == 0) return other;
        token.mint(payer, amount);
        vm.prank(payer);
        token.approve(address(other), amount);
        vm.prank(payer);
        other.deposit(amount);
    }

    function claimAt(Escrow other, bytes32 there, uint128 amount) private {
        EscrowStorage.ClaimRow[] memory rows = new EscrowStorage.ClaimRow[](1);
        rows[0] = EscrowStorage.ClaimRow(
            there, amount, amount, sign(SIGNER_KEY, other.voucherDigest(there, amount))
        );
        vm.prank(provider);
        eq(other.claimBatch(rows), 1, "claimed");
    }

    /// A signature with a nonce of one's own choice, low s.
    function signWithNonce(uint256 key, bytes32 digest, uint256 nonce) private pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.signWithNonceUnsafe(key, digest, nonce);
        if (uint256(s) > ORDER / 2) (s, v) = (bytes32(ORDER - uint256(s)), v == 27 ? 28 : 27);
        return abi.encodePacked(r, s, v);
    }
}
