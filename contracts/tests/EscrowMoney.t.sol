// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Escrow} from "../src/Escrow.sol";
import {EscrowMoney} from "../src/EscrowMoney.sol";
import {EscrowStorage} from "../src/EscrowStorage.sol";
import {EscrowBase} from "./EscrowBase.sol";
import {BlacklistToken, EighteenDecimals, FeeToken, ReentrantToken} from "./Tokens.sol";

/// Money in and out.
contract EscrowMoneyTest is EscrowBase {
    bytes32 private constant RECEIVE_TYPEHASH = keccak256(
        "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
    );

    function test_constructor_refuses_a_token_without_six_decimals() public {
        EighteenDecimals token = new EighteenDecimals();
        vm.expectRevert(abi.encodeWithSelector(EscrowStorage.DecimalsNotSix.selector, 18));
        new Escrow(token, T);
    }

    function test_constructor_refuses_a_close_delay_out_of_range() public {
        vm.expectPartialRevert(EscrowStorage.CloseDelayOutOfRange.selector);
        new Escrow(usdc, 1 hours - 1);
        vm.expectPartialRevert(EscrowStorage.CloseDelayOutOfRange.selector);
        new Escrow(usdc, 30 days + 1);
        eq(new Escrow(usdc, 1 hours).closeDelay(), 1 hours, "delay");
    }

    function test_deposit_becomes_free_money() public {
        eq(escrow.free(payer), DEPOSIT, "free");
        eq(escrow.held(), DEPOSIT, "held");
        eq(usdc.balanceOf(address(escrow)), DEPOSIT, "balance");
    }

    function test_depositFor_credits_the_beneficiary_only() public {
        usdc.mint(stranger, 7);
        vm.prank(stranger);
        usdc.approve(address(escrow), 7);
        vm.expectEmit();
        emit EscrowStorage.Deposited(payer, stranger, 7);
        vm.prank(stranger);
        escrow.depositFor(payer, 7);
        eq(escrow.free(payer), DEPOSIT + 7, "beneficiary");
        eq(escrow.free(stranger), 0, "sender");
    }

    function test_deposit_of_nothing_or_for_nobody_reverts() public {
        vm.expectRevert(EscrowStorage.AmountMissing.selector);
        escrow.deposit(0);
        vm.expectRevert(EscrowStorage.AddressMissing.selector);
        escrow.depositFor(address(0), 1);
    }

    function test_deposit_without_token_allowance_reverts() public {
        vm.expectPartialRevert(bytes4(keccak256("ERC20InsufficientAllowance(address,uint256,uint256)")));
        vm.prank(stranger);
        escrow.deposit(1);
    }

    function test_deposit_of_a_token_that_takes_a_fee_reverts() public {
        FeeToken token = new FeeToken();
        Escrow other = new Escrow(token, T);
        token.mint(payer, 100);
        vm.prank(payer);
        token.approve(address(other), 100);
        vm.expectRevert(abi.encodeWithSelector(EscrowStorage.AmountUnexpected.selector, 100, 99));
        vm.prank(payer);
        other.deposit(100);
    }

    function test_donation_is_nobodys_and_changes_no_account() public {
        usdc.mint(address(escrow), 55);
        eq(escrow.held(), DEPOSIT, "held");
        vm.expectRevert(abi.encodeWithSelector(EscrowStorage.FreeTooLow.selector, DEPOSIT, DEPOSIT + 1));
        vm.prank(payer);
        escrow.withdraw(DEPOSIT + 1);
    }

    function test_reentering_a_deposit_is_refused() public {
        ReentrantToken token = new ReentrantToken();
        Escrow other = new Escrow(token, T);
        token.mint(payer, 100);
        token.mint(address(token), 100);
        token.approveFor(payer, address(other));
        token.approveFor(address(token), address(other));
        token.attack(address(other), abi.encodeCall(EscrowMoney.deposit, (50)));
        vm.prank(payer);
        other.deposit(100);
        isFalse(token.reentered(), "reentered");
        eq(bytes32(token.failure()), ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector, "reason");
        eq(other.free(payer), 100, "free");
        eq(other.held(), 100, "held");
    }

    function test_reentering_a_withdrawal_takes_nothing_more() public {
        ReentrantToken token = new ReentrantToken();
        Escrow other = new Escrow(token, T);
        token.mint(address(token), 200);
        token.approveFor(address(token), address(other));
        vm.prank(address(token));
        other.deposit(200);
        token.attack(address(other), abi.encodeCall(EscrowMoney.withdraw, (100)));
        vm.prank(address(token));
        other.withdraw(100);
        isFalse(token.reentered(), "reentered");
        eq(other.free(address(token)), 100, "free");
        eq(token.balanceOf(address(other)), 100, "balance");
    }

    function test_withdraw_sends_free_money_only() public {
        bytes32 id = open();
        uint128 free = DEPOSIT - BUDGET;
        vm.expectRevert(abi.encodeWithSelector(EscrowStorage.FreeTooLow.selector, free, free + 1));
        vm.prank(payer);
        escrow.withdraw(free + 1);
        vm.expectEmit();
        emit EscrowStorage.Withdrawn(payer, payer, free);
        vm.prank(payer);
        escrow.withdraw(free);
        eq(usdc.balanceOf(payer), free, "received");
        eq(escrow.free(payer), 0, "free");
        checkBooks(id);
    }

    function test_withdraw_of_nothing_or_to_nobody_reverts() public {
        vm.expectRevert(EscrowStorage.AmountMissing.selector);
        vm.prank(payer);
        escrow.withdraw(0);
        vm.expectRevert(EscrowStorage.AddressMissing.selector);
        vm.prank(payer);
        escrow.withdrawTo(address(0), 1);
    }

    function test_nobody_withdraws_the_money_of_another() public {
        vm.expectRevert(abi.encodeWithSelector(EscrowStorage.FreeTooLow.selector, 0, 1));
        vm.prank(stranger);
        escrow.withdraw(1);
    }

    function test_a_payer_whom_the_token_refuses_withdraws_to_another_address() public {
        BlacklistToken token = new BlacklistToken();
        Escrow other = new Escrow(token, T);
        token.mint(payer, 10);
        vm.prank(payer);
        token.approve(address(other), 10);
        vm.prank(payer);
        other.deposit(10);
        token.blacklist(payer);
        vm.expectRevert(abi.encodeWithSelector(BlacklistToken.Blacklisted.selector, payer));
        vm.prank(payer);
        other.withdraw(10);
        vm.prank(payer);
        other.withdrawTo(stranger, 10);
        eq(token.balanceOf(stranger), 10, "received");
    }

    function test_authorised_deposit_credits_the_beneficiary_whoever_sends_it() public {
        usdc.mint(payer, 9);
        bytes memory signature = authorise(9, escrow.depositNonce(payer, "salt"));
        vm.expectEmit();
        emit EscrowStorage.Deposited(payer, payer, 9);
        vm.prank(stranger);
        escrow.depositWithAuthorization(payer, payer, 9, 0, now64() + 60, "salt", signature);
        eq(escrow.free(payer), DEPOSIT + 9, "free");
    }

    function test_authorised_deposit_cannot_be_turned_to_another_beneficiary() public {
        usdc.mint(payer, 9);
        bytes memory signature = authorise(9, escrow.depositNonce(payer, "salt"));
        vm.expectPartialRevert(bytes4(keccak256("ERC3009InvalidSignature()")));
        vm.prank(stranger);
        escrow.depositWithAuthorization(payer, stranger, 9, 0, now64() + 60, "salt", signature);
    }

    function test_authorised_deposit_is_taken_once() public {
        usdc.mint(payer, 18);
        bytes memory signature = authorise(9, escrow.depositNonce(payer, "salt"));
        escrow.depositWithAuthorization(payer, payer, 9, 0, now64() + 60, "salt", signature);
        vm.expectPartialRevert(bytes4(keccak256("ERC3009UsedAuthorization(address,bytes32)")));
        escrow.depositWithAuthorization(payer, payer, 9, 0, now64() + 60, "salt", signature);
    }

    function test_authorisation_is_not_taken_outside_the_escrow() public {
        usdc.mint(payer, 9);
        bytes32 nonce = escrow.depositNonce(payer, "salt");
        bytes memory signature = authorise(9, nonce);
        vm.expectPartialRevert(bytes4(keccak256("ERC20InvalidReceiver(address)")));
        vm.prank(stranger);
        usdc.receiveWithAuthorization(payer, address(escrow), 9, 0, now64() + 60, nonce, signature);
    }

    function authorise(uint128 amount, bytes32 nonce) private view returns (bytes memory) {
        bytes32 content =
            keccak256(abi.encode(RECEIVE_TYPEHASH, payer, address(escrow), uint256(amount), 0, now64() + 60, nonce));
        bytes32 digest = keccak256(abi.encodePacked("\x19\x01", usdc.DOMAIN_SEPARATOR(), content));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(PAYER_KEY, digest);
        return abi.encodePacked(r, s, v);
    }
}
