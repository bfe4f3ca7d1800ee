// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Escrow} from "../src/Escrow.sol";
import {EscrowStorage} from "../src/EscrowStorage.sol";
import {CallAuthorization} from "../src/SignedStructs.sol";
import {EscrowBase} from "./EscrowBase.sol";

/// Channels with a signer: opening, claiming, and every way in which a row can be bad.
contract EscrowVouchersTest is EscrowBase {
    uint256 private constant ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
    bytes32 private id;

    function setUp() public override {
        super.setUp();
        id = openSigned("lane");
    }

    function test_approve_with_a_signer_moves_free_money_into_a_channel() public {
        bytes32 expected = escrow.channelId(payer, provider, "second", signer);
        vm.expectEmit();
        emit EscrowStorage.ChannelOpened(expected, payer, provider, signer, "second", PRICE, BUDGET);
        bytes32 second = openSigned("second");
        eq(second, expected, "id");
        EscrowStorage.Channel memory c = escrow.channel(second);
        eq(c.payer, payer, "payer");
        eq(c.provider, provider, "provider");
        eq(c.signer, signer, "signer");
        eq(c.price, PRICE, "price");
        eq(c.reserved, BUDGET, "reserved");
        eq(c.openedAt, now64(), "openedAt");
        eq(c.closeAt + c.claimed + c.calls, 0, "rest");
        eq(escrow.free(payer), DEPOSIT - 2 * BUDGET, "free");
        eq(escrow.pullChannels(payer, provider), 0, "no pull channel");
        eq(escrow.allowance(payer, provider).id, 0, "no allowance");
    }

    function test_lanes_by_salt_are_channels_of_their_own() public {
        bytes32 second = openSigned("second");
        isTrue(second != id, "ids");
        isTrue(claim(second, 5, 5), "claim");
        eq(escrow.channel(id).claimed, 0, "the other lane");
        eq(escrow.channel(id).closeAt, 0, "stays open");
    }

    function test_an_id_that_exists_reverts_also_when_final() public {
        vm.expectRevert(abi.encodeWithSelector(EscrowStorage.ChannelExists.selector, id));
        vm.prank(payer);
        escrow.approve(provider, PRICE + 1, 1, signer, "lane");
        finalize(id);
        vm.expectRevert(abi.encodeWithSelector(EscrowStorage.ChannelExists.selector, id));
        vm.prank(payer);
        escrow.approve(provider, PRICE, BUDGET, signer, "lane");
    }

    function test_a_chosen_salt_needs_a_signer_that_is_no_contract() public {
        vm.expectRevert(EscrowStorage.SignerMissing.selector);
        vm.prank(payer);
        escrow.approve(provider, PRICE, 1, address(0), "salt");
        vm.expectRevert(abi.encodeWithSelector(EscrowStorage.SignerHasCode.selector, address(usdc)));
        vm.prank(payer);
        escrow.approve(provider, PRICE, 1, address(usdc), "salt");
        vm.expectRevert(EscrowStorage.AddressMissing.selector);
        vm.prank(payer);
        escrow.approve(address(0), PRICE, 1, signer, "salt");
        vm.expectRevert(EscrowStorage.AmountMissing.selector);
        vm.prank(payer);
        escrow.approve(provider, PRICE, 0, signer, "salt");
    }

    function test_a_budget_that_does_not_fit_reverts() public {
        uint128 most = type(uint88).max;
        fund(stranger, most + 1);
        vm.expectRevert(abi.encodeWithSelector(EscrowStorage.AmountTooLarge.selector, most + 1, most));
        vm.prank(stranger);
        escrow.approve(provider, PRICE, most + 1, signer, "salt");
        vm.prank(stranger);
        bytes32 large = escrow.approve(provider, PRICE, most, signer, "salt");
        vm.expectRevert(abi.encodeWithSelector(EscrowStorage.AmountTooLarge.selector, most + 1, most));
        vm.prank(stranger);
        escrow.increase(large, 1);
        isTrue(claim(large, type(uint128).max, most), "all of it");
        eq(escrow.earned(provider), most, "earned");
    }

    function test_increase_raises_what_can_be_claimed() public {
        expectClaimSkip(claimRow(id, BUDGET + 5, BUDGET + 5), EscrowStorage.SkipReason.AboveReserved);
        vm.expectEmit();
        emit EscrowStorage.ChannelIncreased(id, 5, BUDGET + 5);
        vm.prank(payer);
        escrow.increase(id, 5);
        isTrue(claim(id, BUDGET + 5, BUDGET + 5), "applied");
        checkBooks(id);
    }

    function test_a_voucher_is_claimed_up_to_what_was_served() public {
        vm.expectEmit();
        emit EscrowStorage.Claimed(id, provider, 32_000);
        isTrue(claim(id, 64_000, 32_000), "half of the window");
        eq(escrow.earned(provider), 32_000, "earned");
        isTrue(claim(id, 64_000, 64_000), "the rest of it");
        eq(escrow.earned(provider), 64_000, "earned");
        eq(escrow.channel(id).claimed, 64_000, "claimed");
        eq(escrow.channel(id).calls, 0, "calls are not counted by vouchers");
        checkBooks(id);
    }

    function test_a_settler_claims_until_it_expires() public {
        EscrowStorage.ClaimRow[] memory rows = new EscrowStorage.ClaimRow[](1);
        rows[0] = claimRow(id, 10, 10);
        vm.prank(provider);
        escrow.setSettler(stranger, now64() + 10);
        vm.prank(stranger);
        eq(escrow.claimBatch(rows), 1, "settler");
        eq(escrow.earned(provider), 10, "earned by the provider");
        eq(escrow.earned(stranger), 0, "not by the settler");
        vm.warp(now64() + 10);
        rows[0] = claimRow(id, 20, 20);
        expectSkip(id, stranger, EscrowStorage.SkipReason.NotAuthorised);
        vm.prank(stranger);
        eq(escrow.claimBatch(rows), 0, "expired");
    }

    function test_claims_continue_while_the_channel_closes() public {
        close(id);
        isTrue(claim(id, 10, 10), "during the delay");
        vm.warp(now64() + 2 * T);
        isTrue(claim(id, 20, 20), "after it, before finalize");
        escrow.finalizeClose(id);
        eq(escrow.free(payer), DEPOSIT - 20, "free");
    }

    // Each way in which a row can be bad.

    function test_bad_row_unknown_channel() public {
        expectClaimSkip(claimRow("x", 1, 1), EscrowStorage.SkipReason.UnknownChannel);
    }

    function test_bad_row_pull_channel() public {
        bytes32 pull = open();
        expectClaimSkip(claimRow(pull, 1, 1), EscrowStorage.SkipReason.PullChannel);
        // A failed recovery gives 0, which is a pull channel's signer.
        expectClaimSkip(
            EscrowStorage.ClaimRow(pull, 1, 1, new bytes(65)), EscrowStorage.SkipReason.PullChannel
        );
        expectClaimSkip(EscrowStorage.ClaimRow(pull, 1, 1, ""), EscrowStorage.SkipReason.PullChannel);
    }

    function test_bad_row_not_authorised() public {
        EscrowStorage.ClaimRow[] memory rows = new EscrowStorage.ClaimRow[](1);
        rows[0] = claimRow(id, 1, 1);
        address[3] memory others = [stranger, payer, signer];
        for (uint256 i = 0; i < others.length; i++) {
            expectSkip(id, others[i], EscrowStorage.SkipReason.NotAuthorised);
            vm.prank(others[i]);
            eq(escrow.claimBatch(rows), 0, "applied");
        }
    }

    function test_bad_row_final_channel() public {
        EscrowStorage.ClaimRow memory good = claimRow(id, 1, 1);
        finalize(id);
        expectClaimSkip(good, EscrowStorage.SkipReason.Finalized);
    }

    function test_bad_row_sent_twice() public {
        isTrue(claim(id, 10, 10), "first");
        expectClaimSkip(claimRow(id, 10, 10), EscrowStorage.SkipReason.NotNewer);
    }

    function test_bad_row_older_than_what_was_claimed() public {
        claim(id, 10, 10);
        expectClaimSkip(claimRow(id, 9, 9), EscrowStorage.SkipReason.NotNewer);
        expectClaimSkip(claimRow(id, 20, 9), EscrowStorage.SkipReason.NotNewer);
    }

    function test_bad_row_of_nothing() public {
        expectClaimSkip(claimRow(id, 0, 0), EscrowStorage.SkipReason.NotNewer);
        expectClaimSkip(claimRow(id, 10, 0), EscrowStorage.SkipReason.NotNewer);
    }

    function test_bad_row_above_the_voucher() public {
        expectClaimSkip(claimRow(id, 10, 11), EscrowStorage.SkipReason.AboveCumulative);
        expectClaimSkip(claimRow(id, 10, type(uint128).max), EscrowStorage.SkipReason.AboveCumulative);
    }

    function test_bad_row_above_what_is_reserved() public {
        expectClaimSkip(claimRow(id, BUDGET + 1, BUDGET + 1), EscrowStorage.SkipReason.AboveReserved);
        expectClaimSkip(
            claimRow(id, type(uint128).max, type(uint128).max), EscrowStorage.SkipReason.AboveReserved
        );
        isTrue(claim(id, type(uint128).max, BUDGET), "the reserve bounds a voucher above it");
    }

    function test_bad_row_signed_by_another_key() public {
        refuse(sign(PAYER_KEY, escrow.voucherDigest(id, 10)));
        refuse(sign(PROVIDER_KEY, escrow.voucherDigest(id, 10)));
    }

    function test_bad_row_with_a_voucher_of_another_channel() public {
        refuse(voucher(openSigned("second"), 10));
    }

    function test_bad_row_with_a_voucher_of_another_amount() public {
        refuse(voucher(id, 9));
        refuse(voucher(id, 11));
    }

    function test_bad_row_with_a_voucher_of_another_contract() public {
        refuse(sign(SIGNER_KEY, new Escrow(usdc, T).voucherDigest(id, 10)));
    }

    function test_bad_row_with_a_voucher_of_another_chain() public {
        uint256 chain = CHAIN;
        vm.chainId(chain + 1);
        bytes memory signature = voucher(id, 10);
        vm.chainId(chain);
        refuse(signature);
    }

    function test_bad_row_with_a_release_for_a_voucher() public {
        refuse(sign(SIGNER_KEY, escrow.releaseDigest(id, 10)));
    }

    function test_bad_row_with_a_voucher_in_the_other_domain() public {
        bytes32 content = keccak256(
            abi.encode(keccak256("Voucher(bytes32 channelId,uint128 cumulativeAmount)"), id, uint256(10))
        );
        refuse(sign(SIGNER_KEY, keccak256(abi.encodePacked("\x19\x01", escrow.domainSeparator(), content))));
    }

    function test_bad_row_with_a_high_s() public {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(SIGNER_KEY, escrow.voucherDigest(id, 10));
        refuse(abi.encodePacked(r, bytes32(ORDER - uint256(s)), v == 27 ? uint8(28) : uint8(27)));
    }

    function test_bad_row_with_a_signature_that_has_not_65_bytes() public {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(SIGNER_KEY, escrow.voucherDigest(id, 10));
        refuse("");
        refuse(abi.encodePacked(r, bytes32(uint256(s) | (v == 28 ? 1 << 255 : 0))));
        refuse(abi.encodePacked(r, s, v, uint8(0)));
        refuse(new bytes(10_000));
    }

    function test_bad_row_with_a_recovery_number_that_is_none() public {
        (, bytes32 r, bytes32 s) = vm.sign(SIGNER_KEY, escrow.voucherDigest(id, 10));
        uint8[4] memory bad = [0, 1, 29, 255];
        for (uint256 i = 0; i < bad.length; i++) refuse(abi.encodePacked(r, s, bad[i]));
    }

    function test_bad_row_with_a_signature_of_zeros() public {
        refuse(new bytes(65));
    }

    function test_rows_of_several_providers_in_turn_earn_each_its_own() public {
        address other = address(0x07e4);
        vm.prank(other);
        escrow.setSettler(provider, now64() + 1 days);
        vm.prank(payer);
        bytes32 others = escrow.approve(other, PRICE, BUDGET, signer, "others");
        bytes32 second = openSigned("second");
        EscrowStorage.ClaimRow[] memory rows = new EscrowStorage.ClaimRow[](5);
        rows[0] = claimRow(id, 10, 10);
        rows[1] = claimRow(others, 20, 20);
        rows[2] = claimRow(id, 10, 11);
        rows[3] = claimRow(second, 30, 30);
        rows[4] = claimRow(others, 25, 25);
        vm.prank(provider);
        eq(escrow.claimBatch(rows), 4, "applied");
        eq(escrow.earned(provider), 40, "the caller's own");
        eq(escrow.earned(other), 25, "the other's");
        eq(escrow.earned(address(0)), 0, "nobody's");
    }

    function test_bad_rows_touch_no_other() public {
        bytes32 second = openSigned("second");
        vm.prank(payer);
        bytes32 foreign = escrow.approve(stranger, PRICE, 100, signer, "lane");
        bytes32 pull = open();
        EscrowStorage.ClaimRow[] memory rows = new EscrowStorage.ClaimRow[](8);
        rows[0] = claimRow("x", 10, 10);
        rows[1] = claimRow(id, 10, 10);
        rows[2] = claimRow(foreign, 10, 10);
        rows[3] = claimRow(pull, 10, 10);
        rows[4] = EscrowStorage.ClaimRow(second, 10, 10, "");
        rows[5] = claimRow(id, 10, 10);
        rows[6] = claimRow(id, type(uint128).max, type(uint128).max);
        rows[7] = claimRow(second, 10, 7);
        expectSkip("x", provider, EscrowStorage.SkipReason.UnknownChannel);
        expectSkip(foreign, provider, EscrowStorage.SkipReason.NotAuthorised);
        expectSkip(pull, provider, EscrowStorage.SkipReason.PullChannel);
        expectSkip(second, provider, EscrowStorage.SkipReason.VoucherSignature);
        expectSkip(id, provider, EscrowStorage.SkipReason.NotNewer);
        expectSkip(id, provider, EscrowStorage.SkipReason.AboveReserved);
        vm.prank(provider);
        eq(escrow.claimBatch(rows), 2, "applied");
        eq(escrow.earned(provider), 17, "earned");
        eq(escrow.earned(stranger), 0, "foreign");
        eq(escrow.channel(foreign).claimed, 0, "foreign channel");
    }

    // Consume and vouchers share one counter.

    function test_a_channel_with_a_signer_is_not_consumed_without_a_permit() public {
        expectSkip(id, provider, EscrowStorage.SkipReason.NotPull);
        isFalse(consume(id, PRICE, 0), "consume");
        expectSkip(id, provider, EscrowStorage.SkipReason.NotPull);
        eq(batch(row(id, 1, PRICE)), 0, "batch");
    }

    function test_consume_with_permit_and_voucher_charge_once() public {
        CallAuthorization memory p = permit("n");
        bytes memory signature = signed(p);
        vm.expectEmit();
        emit EscrowStorage.Consumed(id, provider, 1, PRICE);
        vm.prank(provider);
        isTrue(escrow.consumeWithPermit(id, PRICE, 0, p, signature), "permit");
        expectClaimSkip(claimRow(id, PRICE, PRICE), EscrowStorage.SkipReason.NotNewer);
        isTrue(claim(id, 3 * PRICE, 3 * PRICE), "vouchers are cumulative over permits");
        eq(escrow.earned(provider), 3 * PRICE, "earned");
        checkBooks(id);
    }

    function test_a_permit_adds_to_what_vouchers_claimed() public {
        claim(id, 5 * PRICE, 5 * PRICE);
        CallAuthorization memory p = permit("n");
        bytes memory signature = signed(p);
        vm.prank(provider);
        isTrue(escrow.consumeWithPermit(id, PRICE, 0, p, signature), "permit");
        eq(escrow.channel(id).claimed, 6 * PRICE, "claimed");
        vm.prank(provider);
        isFalse(escrow.consumeWithPermit(id, PRICE, 1, p, signature), "again");
        expectClaimSkip(claimRow(id, 6 * PRICE, 6 * PRICE), EscrowStorage.SkipReason.NotNewer);
        checkBooks(id);
    }

    function test_a_permit_of_the_vouchers_signer_is_refused() public {
        CallAuthorization memory p = permit("n");
        bytes memory signature = sign(SIGNER_KEY, escrow.callAuthorizationDigest(p));
        expectSkip(id, provider, EscrowStorage.SkipReason.PermitSignature);
        vm.prank(provider);
        isFalse(escrow.consumeWithPermit(id, PRICE, 0, p, signature), "applied");
    }

    function test_a_permit_on_a_final_channel_is_skipped() public {
        finalize(id);
        CallAuthorization memory p = permit("n");
        bytes memory signature = signed(p);
        expectSkip(id, provider, EscrowStorage.SkipReason.Finalized);
        vm.prank(provider);
        isFalse(escrow.consumeWithPermit(id, PRICE, 0, p, signature), "applied");
        isFalse(escrow.permitUsed(payer, "n"), "used");
    }

    // Any input.

    function testFuzz_a_claim_is_within_voucher_and_reserve(uint128 c1, uint128 a1, uint128 c2, uint128 a2) public {
        claim(id, c1, a1);
        uint128 first = escrow.channel(id).claimed;
        eq(first, a1 <= c1 && a1 <= BUDGET ? a1 : 0, "first");
        claim(id, c2, a2);
        uint128 second = escrow.channel(id).claimed;
        eq(second, a2 > first && a2 <= c2 && a2 <= BUDGET ? a2 : first, "second");
        eq(escrow.earned(provider), second, "earned");
        checkBooks(id);
    }

    function testFuzz_rows_in_any_order_come_to_the_same(uint16[12] calldata order) public {
        uint256 most = 0;
        for (uint256 i = 0; i < order.length; i++) {
            claim(id, order[i], order[i]);
            if (order[i] > most) most = order[i];
        }
        eq(escrow.earned(provider), most, "earned");
    }

    function testFuzz_no_bytes_pass_for_a_signature(uint128 cumulative, uint128 amount, bytes calldata signature)
        public
    {
        isFalse(claim(EscrowStorage.ClaimRow(id, cumulative, amount, signature)), "applied");
        eq(escrow.earned(provider), 0, "earned");
    }

    function refuse(bytes memory signature) private {
        expectClaimSkip(
            EscrowStorage.ClaimRow(id, 10, 10, signature), EscrowStorage.SkipReason.VoucherSignature
        );
    }
}
