// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Escrow} from "../src/Escrow.sol";
import {EscrowStorage} from "../src/EscrowStorage.sol";
import {EscrowBase} from "./EscrowBase.sol";
import {BlacklistToken} from "./Tokens.sol";

/// Trials and payouts.
contract EscrowProviderTest is EscrowBase {
    function test_trials_are_granted_and_counted_without_money() public {
        vm.expectEmit();
        emit EscrowStorage.TrialGranted(provider, payer, 10, 99);
        vm.prank(provider);
        escrow.grantTrial(payer, 10, 99);
        vm.expectEmit();
        emit EscrowStorage.TrialConsumed(provider, payer, 4);
        eq(trials(payer, 4), 1, "applied");
        EscrowStorage.Trial memory trial = escrow.trialOf(provider, payer);
        eq(trial.granted, 10, "granted");
        eq(trial.used, 4, "used");
        eq(trial.expires, 99, "expires");
        eq(escrow.held(), DEPOSIT, "held");
    }

    function test_a_further_grant_adds_and_sets_the_end() public {
        vm.prank(provider);
        escrow.grantTrial(payer, 10, 99);
        vm.prank(provider);
        escrow.grantTrial(payer, 5, 50);
        eq(escrow.trialOf(provider, payer).granted, 15, "granted");
        eq(escrow.trialOf(provider, payer).expires, 50, "expires");
    }

    function test_trial_rows_not_larger_or_above_the_grant_are_skipped() public {
        vm.prank(provider);
        escrow.grantTrial(payer, 10, 99);
        trials(payer, 4);
        vm.expectEmit();
        emit EscrowStorage.TrialSkipped(provider, payer, EscrowStorage.SkipReason.NotNewer);
        eq(trials(payer, 4), 0, "same");
        eq(trials(payer, 3), 0, "smaller");
        vm.expectEmit();
        emit EscrowStorage.TrialSkipped(provider, payer, EscrowStorage.SkipReason.AboveGranted);
        eq(trials(payer, 11), 0, "above");
        eq(trials(stranger, 1), 0, "never granted");
        eq(escrow.trialOf(provider, payer).used, 4, "used");
    }

    function test_trials_are_per_provider_and_consumed_by_its_settlers_only() public {
        vm.prank(provider);
        escrow.grantTrial(payer, 10, 99);
        eq(escrow.trialOf(stranger, payer).granted, 0, "other provider");
        EscrowStorage.TrialRow[] memory rows = new EscrowStorage.TrialRow[](1);
        rows[0] = EscrowStorage.TrialRow(payer, 1);
        vm.expectRevert(abi.encodeWithSelector(EscrowStorage.NotSettler.selector, provider, stranger));
        vm.prank(stranger);
        escrow.consumeTrials(provider, rows);
        vm.prank(provider);
        escrow.setSettler(stranger, now64() + 1);
        vm.prank(stranger);
        eq(escrow.consumeTrials(provider, rows), 1, "settler");
    }

    function test_a_trial_for_nobody_reverts() public {
        vm.expectRevert(EscrowStorage.AddressMissing.selector);
        escrow.grantTrial(address(0), 1, 1);
    }

    function test_payout_sends_all_that_was_earned() public {
        bytes32 id = open();
        batch(row(id, 3, 3 * PRICE));
        vm.expectEmit();
        emit EscrowStorage.Paid(provider, stranger, 3 * PRICE);
        vm.prank(provider);
        escrow.payout(stranger);
        eq(usdc.balanceOf(stranger), 3 * PRICE, "received");
        eq(escrow.earned(provider), 0, "earned");
        eq(escrow.held(), DEPOSIT - 3 * PRICE, "held");
        vm.expectRevert(EscrowStorage.AmountMissing.selector);
        vm.prank(provider);
        escrow.payout(stranger);
    }

    function test_payout_to_nobody_reverts() public {
        batch(row(open(), 1, PRICE));
        vm.expectRevert(EscrowStorage.AddressMissing.selector);
        vm.prank(provider);
        escrow.payout(address(0));
    }

    function test_a_settler_never_pays_out() public {
        batch(row(open(), 1, PRICE));
        vm.prank(provider);
        escrow.setSettler(stranger, type(uint64).max);
        vm.expectRevert(EscrowStorage.AmountMissing.selector);
        vm.prank(stranger);
        escrow.payout(stranger);
        vm.expectRevert(abi.encodeWithSelector(EscrowStorage.PayoutUnset.selector, provider));
        vm.prank(stranger);
        escrow.payoutFor(provider);
        eq(escrow.earned(provider), PRICE, "earned");
    }

    function test_anyone_pays_out_to_the_fixed_address_only() public {
        batch(row(open(), 1, PRICE));
        address cold = address(0xc01d);
        vm.expectEmit();
        emit EscrowStorage.PayoutSet(provider, cold);
        vm.prank(provider);
        escrow.setPayout(cold);
        vm.prank(stranger);
        escrow.payoutFor(provider);
        eq(usdc.balanceOf(cold), PRICE, "received");
        vm.prank(provider);
        escrow.setPayout(address(0));
        vm.expectRevert(abi.encodeWithSelector(EscrowStorage.PayoutUnset.selector, provider));
        escrow.payoutFor(provider);
    }

    function test_a_blacklisted_provider_blocks_neither_claims_nor_its_own_payout_elsewhere() public {
        BlacklistToken token = new BlacklistToken();
        Escrow other = new Escrow(token, T);
        token.mint(payer, 10 * PRICE);
        vm.prank(payer);
        token.approve(address(other), 10 * PRICE);
        vm.prank(payer);
        other.deposit(10 * PRICE);
        vm.prank(payer);
        bytes32 id = other.approve(provider, PRICE, 10 * PRICE);
        token.blacklist(provider);
        vm.prank(provider);
        eq(other.consumeBatch(row(id, 2, 2 * PRICE)), 1, "claims");
        vm.expectRevert(abi.encodeWithSelector(BlacklistToken.Blacklisted.selector, provider));
        vm.prank(provider);
        other.payout(provider);
        eq(other.earned(provider), 2 * PRICE, "stays");
        vm.prank(provider);
        other.payout(stranger);
        eq(token.balanceOf(stranger), 2 * PRICE, "elsewhere");
    }

    function testFuzz_what_is_consumed_is_what_is_paid(uint64 calls, uint128 amount) public {
        calls = uint64(bound(calls, 1, BUDGET / PRICE));
        amount = uint128(bound(amount, 1, uint256(calls) * PRICE));
        bytes32 id = open();
        eq(batch(row(id, calls, amount)), 1, "applied");
        vm.prank(provider);
        escrow.payout(provider);
        finalize(id);
        vm.prank(payer);
        escrow.withdraw(DEPOSIT - amount);
        eq(usdc.balanceOf(provider), amount, "provider");
        eq(usdc.balanceOf(payer), DEPOSIT - amount, "payer");
        eq(usdc.balanceOf(address(escrow)), 0, "left over");
        eq(escrow.held(), 0, "held");
    }

    function trials(address user, uint64 used) private returns (uint256) {
        EscrowStorage.TrialRow[] memory rows = new EscrowStorage.TrialRow[](1);
        rows[0] = EscrowStorage.TrialRow(user, used);
        vm.prank(provider);
        return escrow.consumeTrials(provider, rows);
    }
}
