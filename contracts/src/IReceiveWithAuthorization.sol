// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// The one function of EIP-3009 that the escrow calls, in USDC's form with the signature as bytes.
interface IReceiveWithAuthorization {
    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external;
}
