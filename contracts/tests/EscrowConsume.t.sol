// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Escrow} from "../src/Escrow.sol";
import {EscrowStorage} from "../src/EscrowStorage.sol";
import {CallAuthorization} from "../src/SignedStructs.sol";
import {EscrowBase} from "./EscrowBase.sol";

/// Charging: single calls, batches, and every reason to skip.
contract EscrowConsumeTest is EscrowBase {
    bytes32 private id;

    function setUp() public override {
        super.setUp();
        id = open();
    }

    function test_consume_charges_one_call() public {
        vm.expectEmit();
        emit EscrowStorage.Consumed(id, provider, 1, PRICE);
        isTrue(consume(id, PRICE, 0), "applied");
        eq(escrow.channel(id).calls, 1, "calls");
        eq(escrow.channel(id).claimed, PRICE, "claimed");
        eq(escrow.earned(provider), PRICE, "earned");
        checkBooks(id);
    }

    function test_consume_sent_twice_charges_once() public {
        consume(id, PRICE, 0);
        expectSkip(id, provider, EscrowStorage.SkipReason.CallsMismatch);
        isFalse(consume(id, PRICE, 0), "second");
        eq(escrow.earned(provider), PRICE, "earned");
    }

    function test_consume_above_the_price_is_skipped() public {
        expectSkip(id, provider, EscrowStorage.SkipReason.AbovePrice);
        isFalse(consume(id, PRICE + 1, 0), "applied");
        isTrue(consume(id, PRICE - 1, 0), "below is fine");
    }

    function test_consume_above_what_is_reserved_is_skipped() public {
        bytes32 small = approve(PRICE + 1, PRICE);
        expectSkip(small, provider, EscrowStorage.SkipReason.AboveReserved);
        isFalse(consume(small, PRICE + 1, 0), "applied");
        isTrue(consume(small, PRICE, 0), "exactly all of it");
        eq(escrow.allowance(payer, provider).remaining, 0, "remaining");
    }

    function test_consume_by_strangers_and_of_unknown_channels_is_skipped() public {
        expectSkip(id, stranger, EscrowStorage.SkipReason.NotAuthorised);
        vm.prank(stranger);
        isFalse(escrow.consume(id, PRICE, 0), "stranger");
        expectSkip(id, payer, EscrowStorage.SkipReason.NotAuthorised);
        vm.prank(payer);
        isFalse(escrow.consume(id, PRICE, 0), "payer");
        expectSkip("x", provider, EscrowStorage.SkipReason.UnknownChannel);
        isFalse(consume("x", PRICE, 0), "unknown");
    }

    function test_consume_of_a_final_channel_is_skipped() public {
        finalize(id);
        expectSkip(id, provider, EscrowStorage.SkipReason.Finalized);
        isFalse(consume(id, PRICE, 0), "applied");
    }

    function test_rows_are_cumulative() public {
        eq(batch(row(id, 3, 3 * PRICE)), 1, "first");
        vm.expectEmit();
        emit EscrowStorage.Consumed(id, provider, 5, 4 * PRICE);
        eq(batch(row(id, 5, 4 * PRICE)), 1, "second");
        eq(escrow.earned(provider), 4 * PRICE, "earned");
        checkBooks(id);
    }

    function test_a_row_sent_twice_changes_nothing() public {
        batch(row(id, 3, 3 * PRICE));
        expectSkip(id, provider, EscrowStorage.SkipReason.NotNewer);
        eq(batch(row(id, 3, 3 * PRICE)), 0, "applied");
        eq(escrow.earned(provider), 3 * PRICE, "earned");
    }

    function test_rows_that_are_older_in_either_total_are_skipped() public {
        batch(row(id, 5, 3 * PRICE));
        expectSkip(id, provider, EscrowStorage.SkipReason.NotNewer);
        eq(batch(row(id, 4, 4 * PRICE)), 0, "fewer calls");
        expectSkip(id, provider, EscrowStorage.SkipReason.NotNewer);
        eq(batch(row(id, 6, 2 * PRICE)), 0, "less money");
    }

    function test_a_row_of_free_calls_counts_them() public {
        eq(batch(row(id, 2, 0)), 1, "applied");
        eq(escrow.channel(id).calls, 2, "calls");
        eq(escrow.earned(provider), 0, "earned");
    }

    function test_a_row_above_the_price_is_skipped() public {
        expectSkip(id, provider, EscrowStorage.SkipReason.AbovePrice);
        eq(batch(row(id, 2, 2 * PRICE + 1)), 0, "applied");
        batch(row(id, 2, PRICE));
        expectSkip(id, provider, EscrowStorage.SkipReason.AbovePrice);
        eq(batch(row(id, 2, 2 * PRICE)), 0, "money without calls");
    }

    function test_a_row_above_what_is_reserved_is_skipped() public {
        expectSkip(id, provider, EscrowStorage.SkipReason.AboveReserved);
        eq(batch(row(id, type(uint64).max, BUDGET + 1)), 0, "applied");
        expectSkip(id, provider, EscrowStorage.SkipReason.AbovePrice);
        eq(batch(row(id, 1, type(uint128).max)), 0, "no overflow");
    }

    function test_a_bad_row_touches_no_other() public {
        vm.prank(payer);
        bytes32 foreign = escrow.approve(stranger, PRICE, 5 * PRICE);
        bytes32 second = approve(PRICE * 2, BUDGET);
        EscrowStorage.ConsumeRow[] memory rows = new EscrowStorage.ConsumeRow[](5);
        rows[0] = EscrowStorage.ConsumeRow(id, 1, PRICE);
        rows[1] = EscrowStorage.ConsumeRow(foreign, 1, PRICE);
        rows[2] = EscrowStorage.ConsumeRow("x", 1, PRICE);
        rows[3] = EscrowStorage.ConsumeRow(id, 0, type(uint128).max);
        rows[4] = EscrowStorage.ConsumeRow(second, 2, 3 * PRICE);
        expectSkip(foreign, provider, EscrowStorage.SkipReason.NotAuthorised);
        eq(batch(rows), 2, "applied");
        eq(escrow.earned(provider), 4 * PRICE, "earned");
        eq(escrow.earned(stranger), 0, "foreign");
        eq(escrow.channel(foreign).claimed, 0, "foreign channel");
    }

    function test_one_counter_for_consume_and_batches() public {
        consume(id, PRICE, 0);
        expectSkip(id, provider, EscrowStorage.SkipReason.NotNewer);
        eq(batch(row(id, 1, PRICE)), 0, "batch of the same call");
        batch(row(id, 4, 4 * PRICE));
        isFalse(consume(id, PRICE, 1), "stale consume");
        eq(escrow.earned(provider), 4 * PRICE, "earned");
    }

    function test_counting_calls_to_the_end_blocks_only_that_channel() public {
        batch(row(id, type(uint64).max, PRICE));
        expectSkip(id, provider, EscrowStorage.SkipReason.CallsMismatch);
        isFalse(consume(id, 1, type(uint64).max), "applied");
    }

    function test_a_settler_consumes_until_it_expires_or_is_replaced() public {
        vm.prank(provider);
        escrow.setSettler(stranger, now64() + 10);
        vm.prank(stranger);
        isTrue(escrow.consume(id, PRICE, 0), "settler");
        vm.warp(now64() + 10);
        isFalse(escrow.isSettler(provider, stranger), "expired");
        expectSkip(id, stranger, EscrowStorage.SkipReason.NotAuthorised);
        vm.prank(stranger);
        escrow.consumeBatch(row(id, 2, 2 * PRICE));
        vm.prank(provider);
        escrow.setSettler(stranger, type(uint64).max);
        isTrue(escrow.isSettler(provider, stranger), "renewed");
        vm.expectEmit();
        emit EscrowStorage.SettlerSet(provider, address(1), type(uint64).max);
        vm.prank(provider);
        escrow.setSettler(address(1), type(uint64).max);
        isFalse(escrow.isSettler(provider, stranger), "replaced");
        eq(escrow.settlerOf(provider).account, address(1), "settlerOf");
    }

    function test_a_permit_is_good_for_one_call() public {
        CallAuthorization memory p = permit("n");
        bytes memory signature = signed(p);
        vm.prank(provider);
        isTrue(escrow.consumeWithPermit(id, PRICE, 0, p, signature), "first");
        isTrue(escrow.permitUsed(payer, "n"), "used");
        expectSkip(id, provider, EscrowStorage.SkipReason.PermitUsed);
        vm.prank(provider);
        isFalse(escrow.consumeWithPermit(id, PRICE, 1, p, signature), "second");
        eq(escrow.earned(provider), PRICE, "earned");
    }

    function test_a_permit_that_changed_nothing_stays_usable() public {
        CallAuthorization memory p = permit("n");
        bytes memory signature = signed(p);
        vm.prank(provider);
        isFalse(escrow.consumeWithPermit(id, PRICE, 7, p, signature), "mismatch");
        isFalse(escrow.permitUsed(payer, "n"), "used");
        vm.prank(stranger);
        isFalse(escrow.consumeWithPermit(id, PRICE, 0, p, signature), "stranger");
        vm.prank(provider);
        isTrue(escrow.consumeWithPermit(id, PRICE, 0, p, signature), "then");
    }

    function test_a_permit_bounds_price_and_time() public {
        CallAuthorization memory p = permit("n");
        p.maxPrice = PRICE - 1;
        expectPermitSkip(p, signed(p), EscrowStorage.SkipReason.PermitAbovePrice);
        p.maxPrice = type(uint128).max;
        bytes memory signature = signed(p);
        expectSkip(id, provider, EscrowStorage.SkipReason.AbovePrice);
        vm.prank(provider);
        isFalse(escrow.consumeWithPermit(id, PRICE + 1, 0, p, signature), "the channel's price holds too");
        vm.warp(p.validBefore);
        expectPermitSkip(p, signature, EscrowStorage.SkipReason.PermitExpired);
    }

    function test_a_permit_is_for_one_payer_and_provider() public {
        CallAuthorization memory p = permit("n");
        p.provider = stranger;
        expectPermitSkip(p, signed(p), EscrowStorage.SkipReason.PermitMismatch);
        p = permit("n");
        p.payer = stranger;
        expectPermitSkip(p, signed(p), EscrowStorage.SkipReason.PermitMismatch);
    }

    function test_a_permit_changed_after_signing_is_refused() public {
        CallAuthorization memory p = permit("n");
        bytes memory signature = signed(p);
        p.maxPrice += 1;
        expectPermitSkip(p, signature, EscrowStorage.SkipReason.PermitSignature);
        p = permit("n");
        p.requestDigest = "another";
        expectPermitSkip(p, signature, EscrowStorage.SkipReason.PermitSignature);
        p = permit("m");
        expectPermitSkip(p, signature, EscrowStorage.SkipReason.PermitSignature);
    }

    function test_a_permit_of_another_chain_or_contract_is_refused() public {
        CallAuthorization memory p = permit("n");
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(PAYER_KEY, new Escrow(usdc, T).callAuthorizationDigest(p));
        expectPermitSkip(p, abi.encodePacked(r, s, v), EscrowStorage.SkipReason.PermitSignature);
        uint256 chain = CHAIN;
        vm.chainId(chain + 1);
        bytes memory signature = signed(p);
        vm.chainId(chain);
        expectPermitSkip(p, signature, EscrowStorage.SkipReason.PermitSignature);
    }

    function test_malleable_short_and_empty_signatures_are_refused() public {
        CallAuthorization memory p = permit("n");
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(PAYER_KEY, escrow.callAuthorizationDigest(p));
        uint256 order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
        bytes32 high = bytes32(order - uint256(s));
        expectPermitSkip(p, abi.encodePacked(r, high, v == 27 ? uint8(28) : uint8(27)), EscrowStorage.SkipReason.PermitSignature);
        bytes32 compact = bytes32(uint256(s) | (v == 28 ? 1 << 255 : 0));
        expectPermitSkip(p, abi.encodePacked(r, compact), EscrowStorage.SkipReason.PermitSignature);
        expectPermitSkip(p, "", EscrowStorage.SkipReason.PermitSignature);
        expectPermitSkip(p, abi.encodePacked(r, s, uint8(29)), EscrowStorage.SkipReason.PermitSignature);
    }

    function test_a_permit_of_an_unknown_channel_is_skipped() public {
        CallAuthorization memory p = permit("n");
        bytes memory signature = signed(p);
        expectSkip("x", provider, EscrowStorage.SkipReason.UnknownChannel);
        vm.prank(provider);
        isFalse(escrow.consumeWithPermit("x", PRICE, 0, p, signature), "applied");
    }

    function testFuzz_a_row_never_claims_more_than_its_rules_allow(uint64 calls, uint128 amount, uint64 c2, uint128 a2)
        public
    {
        batch(row(id, calls, amount));
        EscrowStorage.Channel memory before = escrow.channel(id);
        isTrue(before.claimed <= uint256(before.calls) * PRICE, "above price");
        batch(row(id, c2, a2));
        EscrowStorage.Channel memory later = escrow.channel(id);
        isTrue(later.claimed <= uint256(later.calls) * PRICE, "above price");
        isTrue(later.claimed <= BUDGET, "above reserved");
        isTrue(later.claimed >= before.claimed && later.calls >= before.calls, "went back");
        eq(escrow.earned(provider), later.claimed, "earned");
        checkBooks(id);
    }

    function testFuzz_rows_in_any_order_come_to_the_same(uint8[12] calldata order) public {
        for (uint256 i = 0; i < order.length; i++) {
            uint64 n = order[i];
            batch(row(id, n, n * PRICE));
        }
        uint64 most = 0;
        for (uint256 i = 0; i < order.length; i++) {
            if (order[i] > most) most = order[i];
        }
        eq(escrow.channel(id).calls, most, "calls");
        eq(escrow.earned(provider), uint256(most) * PRICE, "earned");
    }

    function expectPermitSkip(CallAuthorization memory p, bytes memory signature, EscrowStorage.SkipReason reason) private {
        expectSkip(id, provider, reason);
        vm.prank(provider);
        isFalse(escrow.consumeWithPermit(id, PRICE, 0, p, signature), "applied");
        eq(escrow.earned(provider), 0, "earned");
    }
}
