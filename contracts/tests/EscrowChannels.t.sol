// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Escrow} from "../src/Escrow.sol";
import {EscrowStorage} from "../src/EscrowStorage.sol";
import {EscrowBase} from "./EscrowBase.sol";

/// Opening, increasing and leaving channels.
contract EscrowChannelsTest is EscrowBase {
    function test_approve_moves_free_money_into_a_channel() public {
        bytes32 expected = escrow.channelId(payer, provider, bytes32(uint256(1)), address(0));
        vm.expectEmit();
        emit EscrowStorage.ChannelOpened(expected, payer, provider, address(0), bytes32(uint256(1)), PRICE, BUDGET);
        bytes32 id = open();
        eq(id, expected, "id");
        EscrowStorage.Channel memory c = escrow.channel(id);
        eq(c.payer, payer, "payer");
        eq(c.provider, provider, "provider");
        eq(c.signer, address(0), "signer");
        eq(c.price, PRICE, "price");
        eq(c.reserved, BUDGET, "reserved");
        eq(c.openedAt, now64(), "openedAt");
        eq(c.closeAt + c.claimed + c.calls, 0, "rest");
        isFalse(c.finalized, "final");
        eq(escrow.free(payer), DEPOSIT - BUDGET, "free");
        checkBooks(id);
    }

    function test_channel_ids_follow_mpps_formula() public view {
        bytes32 expected = keccak256(
            abi.encode(payer, provider, address(usdc), bytes32("s"), stranger, address(escrow), block.chainid)
        );
        eq(escrow.channelId(payer, provider, "s", stranger), expected, "id");
    }

    function test_channel_ids_differ_by_chain_and_contract() public {
        bytes32 here = escrow.channelId(payer, provider, "s", address(0));
        isTrue(here != new Escrow(usdc, T).channelId(payer, provider, "s", address(0)), "contract");
        vm.chainId(CHAIN + 1);
        isTrue(here != escrow.channelId(payer, provider, "s", address(0)), "chain");
    }

    function test_approve_at_the_same_price_adds() public {
        bytes32 id = open();
        vm.expectEmit();
        emit EscrowStorage.ChannelIncreased(id, 5, BUDGET + 5);
        eq(approve(PRICE, 5), id, "id");
        eq(escrow.channel(id).reserved, BUDGET + 5, "reserved");
        eq(escrow.pullChannels(payer, provider), 1, "count");
        checkBooks(id);
    }

    function test_approve_at_another_price_opens_and_closes_the_older() public {
        bytes32 first = open();
        vm.expectEmit();
        emit EscrowStorage.CloseRequested(first, payer, provider, now64() + T);
        bytes32 second = approve(PRICE + 1, 7);
        isTrue(first != second, "same id");
        eq(escrow.channel(first).closeAt, now64() + T, "older");
        eq(escrow.channel(second).closeAt, 0, "newer");
        eq(escrow.channel(second).price, PRICE + 1, "price");
        eq(escrow.allowance(payer, provider).id, second, "allowance");
    }

    function test_approve_beside_a_closing_channel_opens_the_next() public {
        bytes32 first = open();
        close(first);
        uint64 closeAt = escrow.channel(first).closeAt;
        vm.warp(now64() + 10);
        bytes32 second = open();
        isTrue(first != second, "same id");
        eq(escrow.channel(first).closeAt, closeAt, "an earlier close is not put off");
    }

    function test_ids_are_never_used_again() public {
        bytes32 first = open();
        finalize(first);
        bytes32 second = open();
        isTrue(first != second, "reused");
        isTrue(escrow.channel(first).finalized, "the first stays final");
        eq(escrow.pullChannels(payer, provider), 2, "count");
    }

    function test_approve_of_what_is_not_there_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(EscrowStorage.FreeTooLow.selector, DEPOSIT, DEPOSIT + 1));
        vm.prank(payer);
        escrow.approve(provider, PRICE, DEPOSIT + 1);
        vm.expectRevert(EscrowStorage.AmountMissing.selector);
        vm.prank(payer);
        escrow.approve(provider, PRICE, 0);
        vm.expectRevert(EscrowStorage.AddressMissing.selector);
        vm.prank(payer);
        escrow.approve(address(0), PRICE, 1);
    }

    function test_a_failed_approve_closes_nothing() public {
        bytes32 id = open();
        vm.expectPartialRevert(EscrowStorage.FreeTooLow.selector);
        vm.prank(payer);
        escrow.approve(provider, PRICE + 1, DEPOSIT);
        eq(escrow.channel(id).closeAt, 0, "closeAt");
    }

    function test_increase_is_for_the_payer_of_an_open_channel() public {
        bytes32 id = open();
        vm.prank(payer);
        escrow.increase(id, 11);
        eq(escrow.channel(id).reserved, BUDGET + 11, "reserved");
        vm.expectRevert(abi.encodeWithSelector(EscrowStorage.NotPayer.selector, id, stranger));
        vm.prank(stranger);
        escrow.increase(id, 1);
        vm.expectRevert(abi.encodeWithSelector(EscrowStorage.ChannelUnknown.selector, bytes32("x")));
        vm.prank(payer);
        escrow.increase("x", 1);
    }

    function test_increase_of_a_closing_or_final_channel_reverts() public {
        bytes32 id = open();
        close(id);
        vm.expectRevert(abi.encodeWithSelector(EscrowStorage.ChannelClosing.selector, id, now64() + T));
        vm.prank(payer);
        escrow.increase(id, 1);
        vm.warp(now64() + T);
        escrow.finalizeClose(id);
        vm.expectRevert(abi.encodeWithSelector(EscrowStorage.ChannelFinalized.selector, id));
        vm.prank(payer);
        escrow.increase(id, 1);
    }

    function test_allowance_is_of_the_newest_open_channel_only() public {
        eq(escrow.allowance(payer, provider).id, 0, "none");
        bytes32 id = open();
        consume(id, PRICE, 0);
        EscrowStorage.Allowance memory found = escrow.allowance(payer, provider);
        eq(found.id, id, "id");
        eq(found.price, PRICE, "price");
        eq(found.remaining, BUDGET - PRICE, "remaining");
        eq(found.reserved, BUDGET, "reserved");
        eq(found.claimed, PRICE, "claimed");
        eq(found.calls, 1, "calls");
        close(id);
        eq(escrow.allowance(payer, provider).id, 0, "closing");
    }

    function test_only_the_payer_requests_a_close() public {
        bytes32 id = open();
        vm.expectRevert(abi.encodeWithSelector(EscrowStorage.NotPayer.selector, id, provider));
        vm.prank(provider);
        escrow.requestClose(id);
    }

    function test_a_second_request_does_not_move_the_close() public {
        bytes32 id = open();
        close(id);
        uint64 closeAt = escrow.channel(id).closeAt;
        vm.warp(now64() + 5);
        vm.expectRevert(abi.encodeWithSelector(EscrowStorage.ChannelClosing.selector, id, closeAt));
        vm.prank(payer);
        escrow.requestClose(id);
    }

    function test_finalize_waits_for_the_whole_delay() public {
        bytes32 id = open();
        vm.expectRevert(abi.encodeWithSelector(EscrowStorage.ChannelNotClosing.selector, id));
        escrow.finalizeClose(id);
        close(id);
        uint64 closeAt = escrow.channel(id).closeAt;
        vm.warp(closeAt - 1);
        vm.expectRevert(abi.encodeWithSelector(EscrowStorage.CloseTooEarly.selector, id, closeAt));
        escrow.finalizeClose(id);
        vm.warp(closeAt);
        vm.expectEmit();
        emit EscrowStorage.ChannelFinal(id, payer, provider, BUDGET);
        vm.prank(stranger);
        escrow.finalizeClose(id);
        eq(escrow.free(payer), DEPOSIT, "free");
        eq(escrow.free(stranger), 0, "stranger");
    }

    function test_finalize_gives_back_exactly_what_was_not_claimed() public {
        bytes32 id = open();
        batch(row(id, 3, 3 * PRICE));
        finalize(id);
        eq(escrow.free(payer), DEPOSIT - 3 * PRICE, "free");
        eq(escrow.earned(provider), 3 * PRICE, "earned");
        checkBooks(id);
    }

    function test_final_is_for_good() public {
        bytes32 id = open();
        finalize(id);
        uint128 free = escrow.free(payer);
        vm.expectRevert(abi.encodeWithSelector(EscrowStorage.ChannelFinalized.selector, id));
        escrow.finalizeClose(id);
        vm.expectRevert(abi.encodeWithSelector(EscrowStorage.ChannelFinalized.selector, id));
        vm.prank(payer);
        escrow.requestClose(id);
        eq(escrow.free(payer), free, "free");
        vm.expectRevert(abi.encodeWithSelector(EscrowStorage.ChannelUnknown.selector, bytes32("x")));
        escrow.finalizeClose("x");
    }

    function test_the_provider_claims_until_the_channel_is_final() public {
        bytes32 id = open();
        close(id);
        isTrue(consume(id, PRICE, 0), "during the delay");
        vm.warp(now64() + 2 * T);
        isTrue(consume(id, PRICE, 1), "after it, before finalize");
        escrow.finalizeClose(id);
        isFalse(consume(id, PRICE, 2), "final");
        eq(escrow.channel(id).claimed, 2 * PRICE, "claimed");
    }

    function test_the_payer_leaves_whatever_the_provider_does() public {
        bytes32 id = open();
        close(id);
        vm.prank(provider);
        escrow.setSettler(stranger, type(uint64).max);
        vm.prank(provider);
        escrow.setPayout(stranger);
        batch(row(id, type(uint64).max, BUDGET + 1));
        vm.warp(now64() + T);
        vm.prank(payer);
        escrow.finalizeClose(id);
        vm.prank(payer);
        escrow.withdraw(DEPOSIT);
        eq(usdc.balanceOf(payer), DEPOSIT, "left");
    }

    function testFuzz_money_of_one_payer_is_never_another_payers(uint128 a, uint128 b, uint128 budget) public {
        a = uint128(bound(a, 1, 1e15));
        b = uint128(bound(b, 1, 1e15));
        budget = uint128(bound(budget, 1, a));
        address other = address(0x07e2);
        address third = address(0x712d);
        fund(other, a);
        fund(third, b);
        vm.prank(other);
        bytes32 id = escrow.approve(provider, 1, budget);
        vm.prank(provider);
        escrow.consumeBatch(row(id, type(uint64).max, budget));
        eq(escrow.free(other), a - budget, "payer");
        eq(escrow.free(third), b, "third");
        eq(escrow.earned(provider), budget, "provider");
        eq(escrow.held(), uint256(DEPOSIT) + a + b, "held");
    }
}
