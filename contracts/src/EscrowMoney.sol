// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {EscrowStorage} from "./EscrowStorage.sol";
import {IReceiveWithAuthorization} from "./IReceiveWithAuthorization.sol";

/// Tokens in and out: the only part that calls another contract.
abstract contract EscrowMoney is EscrowStorage {
    using SafeERC20 for IERC20Metadata;

    function deposit(uint128 amount) external {
        depositFor(msg.sender, amount);
    }

    /// Adds the caller's tokens to the free money of `beneficiary`.
    function depositFor(address beneficiary, uint128 amount) public nonReentrant {
        uint256 before = _beforeDeposit(beneficiary, amount);
        token.safeTransferFrom(msg.sender, address(this), amount);
        _afterDeposit(msg.sender, beneficiary, amount, before);
    }

    /// Adds tokens of `from` by its EIP-3009 authorization, whose nonce is depositNonce(beneficiary, salt):
    /// whoever sends it cannot turn the money to somebody else.
    function depositWithAuthorization(
        address from,
        address beneficiary,
        uint128 amount,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 salt,
        bytes calldata signature
    ) external nonReentrant {
        uint256 before = _beforeDeposit(beneficiary, amount);
        bytes32 nonce = depositNonce(beneficiary, salt);
        // nonReentrant, and what is credited is what arrived: it is known only after the call.
        // slither-disable-next-line reentrancy-benign,reentrancy-no-eth
        IReceiveWithAuthorization(address(token)).receiveWithAuthorization(
            from, address(this), amount, validAfter, validBefore, nonce, signature
        );
        _afterDeposit(from, beneficiary, amount, before);
    }

    /// Sends free money to the caller.
    function withdraw(uint128 amount) external {
        withdrawTo(msg.sender, amount);
    }

    /// Sends the caller's free money to `to`, for accounts that the token refuses.
    function withdrawTo(address to, uint128 amount) public nonReentrant {
        if (to == address(0)) revert AddressMissing();
        _takeFree(msg.sender, amount);
        held -= amount;
        emit Withdrawn(msg.sender, to, amount);
        token.safeTransfer(to, amount);
    }

    /// Fixes where anyone may send the caller's earnings; 0 removes it.
    function setPayout(address to) external {
        payoutAddress[msg.sender] = to;
        emit PayoutSet(msg.sender, to);
    }

    /// Sends all that the caller earned to `to`.
    function payout(address to) external {
        _payout(msg.sender, to);
    }

    /// Sends all that `provider` earned to the address it fixed. Anyone may send it.
    function payoutFor(address provider) external {
        address to = payoutAddress[provider];
        if (to == address(0)) revert PayoutUnset(provider);
        _payout(provider, to);
    }

    /// The EIP-3009 nonce that binds an authorised deposit to its beneficiary.
    function depositNonce(address beneficiary, bytes32 salt) public pure returns (bytes32) {
        return keccak256(abi.encode(beneficiary, salt));
    }

    function _beforeDeposit(address beneficiary, uint128 amount) private view returns (uint256) {
        if (beneficiary == address(0)) revert AddressMissing();
        if (amount == 0) revert AmountMissing();
        return token.balanceOf(address(this));
    }

    function _afterDeposit(address from, address beneficiary, uint128 amount, uint256 before) private {
        uint256 received = token.balanceOf(address(this)) - before;
        if (received != amount) revert AmountUnexpected(amount, received);
        held += amount;
        free[beneficiary] += amount;
        emit Deposited(beneficiary, from, amount);
    }

    function _payout(address provider, address to) private nonReentrant {
        if (to == address(0)) revert AddressMissing();
        uint128 amount = earned[provider];
        if (amount == 0) revert AmountMissing();
        earned[provider] = 0;
        held -= amount;
        emit Paid(provider, to, amount);
        token.safeTransfer(to, amount);
    }
}
