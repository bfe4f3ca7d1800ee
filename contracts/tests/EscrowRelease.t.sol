// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EscrowStorage} from "../src/EscrowStorage.sol";
import {EscrowBase} from "./EscrowBase.sol";

/// Leaving at once by agreement: who has to agree to what.
contract EscrowReleaseTest is EscrowBase {
    bytes32 private id;

    function setUp() public override {
        super.setUp();
        id = openSigned("lane");
        claim(id, 100, 100);
    }

    function test_the_provider_releases_what_it_did_not_claim() public {
        vm.expectEmit();
        emit EscrowStorage.ChannelFinal(id, payer, provider, BUDGET - 100);
        release(provider, 100, "");
        eq(escrow.free(payer), DEPOSIT - 100, "free");
        isTrue(escrow.channel(id).finalized, "final");
        eq(escrow.channel(id).closeAt, now64(), "closeAt");
        checkBooks(id);
    }

    function test_the_payer_leaves_at_once_with_the_providers_signature() public {
        bytes memory signature = signedBy(PROVIDER_KEY, 250);
        vm.expectEmit();
        emit EscrowStorage.Claimed(id, provider, 250);
        release(payer, 250, signature);
        eq(escrow.free(payer), DEPOSIT - 250, "free");
        eq(escrow.earned(provider), 250, "earned");
        checkBooks(id);
    }

    function test_the_provider_ends_a_channel_with_the_payers_or_its_signers_signature() public {
        release(provider, 250, signedBy(SIGNER_KEY, 250));
        eq(escrow.earned(provider), 250, "signer");
        id = openSigned("second");
        release(provider, 300, signedBy(PAYER_KEY, 300));
        eq(escrow.earned(provider), 550, "payer");
        checkBooks(id);
    }

    function test_anyone_sends_a_release_that_claims_nothing_more() public {
        release(stranger, 100, signedBy(PROVIDER_KEY, 100));
        isTrue(escrow.channel(id).finalized, "final");
    }

    function test_a_settler_releases_by_signature_and_by_call_until_it_expires() public {
        vm.prank(provider);
        escrow.setSettler(vm.addr(0x5e7), now64() + 10);
        release(payer, 100, signedBy(0x5e7, 100));
        id = openSigned("second");
        release(vm.addr(0x5e7), 0, "");
        id = openSigned("third");
        vm.warp(now64() + 10);
        bytes memory signature = signedBy(0x5e7, 0);
        vm.expectRevert(abi.encodeWithSelector(EscrowStorage.NotSettler.selector, provider, vm.addr(0x5e7)));
        release(payer, 0, signature);
    }

    function test_nobody_releases_without_the_provider() public {
        vm.expectRevert(abi.encodeWithSelector(EscrowStorage.NotSettler.selector, provider, payer));
        release(payer, 100, "");
        bytes memory signature = signedBy(PAYER_KEY, 100);
        vm.expectRevert(abi.encodeWithSelector(EscrowStorage.NotSettler.selector, provider, payer));
        release(stranger, 100, signature);
        signature = signedBy(SIGNER_KEY, 100);
        vm.expectRevert(abi.encodeWithSelector(EscrowStorage.NotSettler.selector, provider, signer));
        release(payer, 100, signature);
    }

    function test_more_than_was_claimed_needs_the_payer() public {
        vm.expectRevert(abi.encodeWithSelector(EscrowStorage.FinalAmountNotAgreed.selector, id, provider, address(0)));
        release(provider, 101, "");
        bytes memory signature = signedBy(PROVIDER_KEY, 101);
        vm.expectRevert(abi.encodeWithSelector(EscrowStorage.FinalAmountNotAgreed.selector, id, stranger, provider));
        release(stranger, 101, signature);
        vm.expectRevert(abi.encodeWithSelector(EscrowStorage.FinalAmountNotAgreed.selector, id, provider, provider));
        release(provider, 101, signature);
    }

    function test_the_final_amount_is_between_what_is_claimed_and_reserved() public {
        bytes memory signature = signedBy(PROVIDER_KEY, 99);
        vm.expectRevert(abi.encodeWithSelector(EscrowStorage.FinalAmountOutOfRange.selector, id, 100, BUDGET));
        release(payer, 99, signature);
        signature = signedBy(PROVIDER_KEY, BUDGET + 1);
        vm.expectRevert(abi.encodeWithSelector(EscrowStorage.FinalAmountOutOfRange.selector, id, 100, BUDGET));
        release(payer, BUDGET + 1, signature);
        release(payer, BUDGET, signedBy(PROVIDER_KEY, BUDGET));
        eq(escrow.earned(provider), BUDGET, "all of it");
    }

    function test_a_release_is_for_one_channel_and_amount() public {
        bytes32 first = id;
        bytes memory signature = signedBy(PROVIDER_KEY, 100);
        id = openSigned("second");
        claim(id, 100, 100);
        vm.expectPartialRevert(EscrowStorage.NotSettler.selector);
        release(payer, 100, signature);
        id = first;
        vm.expectPartialRevert(EscrowStorage.NotSettler.selector);
        release(payer, 101, signature);
        signature = sign(PROVIDER_KEY, escrow.voucherDigest(id, 100));
        vm.expectPartialRevert(EscrowStorage.NotSettler.selector);
        release(payer, 100, signature);
    }

    function test_a_failed_recovery_is_nobody_even_if_nobody_is_the_settler() public {
        vm.prank(provider);
        escrow.setSettler(address(0), type(uint64).max);
        vm.expectRevert(abi.encodeWithSelector(EscrowStorage.NotSettler.selector, provider, payer));
        release(payer, 100, new bytes(65));
        vm.expectRevert(abi.encodeWithSelector(EscrowStorage.NotSettler.selector, provider, payer));
        release(payer, 100, "");
    }

    function test_a_closing_channel_is_released_too() public {
        close(id);
        uint64 closeAt = escrow.channel(id).closeAt;
        release(payer, 150, signedBy(PROVIDER_KEY, 150));
        eq(escrow.channel(id).closeAt, closeAt, "closeAt stays");
        eq(escrow.free(payer), DEPOSIT - 150, "free");
    }

    function test_a_pull_channel_is_released_at_what_was_consumed() public {
        id = open();
        batch(row(id, 3, 3 * PRICE));
        bytes memory more = signedBy(PROVIDER_KEY, 4 * PRICE);
        vm.expectPartialRevert(EscrowStorage.FinalAmountNotAgreed.selector);
        release(payer, 4 * PRICE, more);
        release(payer, 3 * PRICE, signedBy(PROVIDER_KEY, 3 * PRICE));
        eq(escrow.earned(provider), 3 * PRICE + 100, "earned");
        eq(escrow.allowance(payer, provider).id, 0, "allowance");
        bytes32 next = open();
        isTrue(next != id, "approve opens the next");
    }

    function test_a_released_channel_is_final_for_good() public {
        release(provider, 100, "");
        expectClaimSkip(claimRow(id, 200, 200), EscrowStorage.SkipReason.Finalized);
        bytes memory signature = signedBy(PROVIDER_KEY, 200);
        vm.expectRevert(abi.encodeWithSelector(EscrowStorage.ChannelFinalized.selector, id));
        release(payer, 200, signature);
        vm.expectRevert(abi.encodeWithSelector(EscrowStorage.ChannelFinalized.selector, id));
        escrow.finalizeClose(id);
        vm.expectRevert(abi.encodeWithSelector(EscrowStorage.ChannelFinalized.selector, id));
        vm.prank(payer);
        escrow.increase(id, 1);
        vm.expectRevert(abi.encodeWithSelector(EscrowStorage.ChannelUnknown.selector, bytes32("x")));
        escrow.release("x", 0, "");
    }

    function signedBy(uint256 key, uint128 finalAmount) private view returns (bytes memory) {
        return sign(key, escrow.releaseDigest(id, finalAmount));
    }

    function release(address by, uint128 finalAmount, bytes memory signature) private {
        vm.prank(by);
        escrow.release(id, finalAmount, signature);
    }
}
