// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// An owner's signature on what may run where. `maxPrice` is the most that one call may cost the owner.
struct Deployment {
    bytes32 specHash;
    address owner;
    bytes32[] providers;
    bytes32[] keyThumbprints;
    bytes32 termsHash;
    address escrow;
    uint256 chainId;
    uint128 maxPrice;
    uint64 created;
}

/// A payer's signature on one request, single use. `validBefore` in seconds, exclusive.
struct CallAuthorization {
    address payer;
    address provider;
    bytes32 requestDigest;
    uint128 maxPrice;
    bytes32 nonce;
    uint64 validBefore;
}

/// An account's signature on the key that its node signs with.
struct Delegation {
    address account;
    bytes32 node;
    bytes32 ed25519Key;
    uint64 epoch;
    uint64 notBefore;
    uint64 expires;
}

/// An owner's signature that ends a deployment.
struct Revocation {
    bytes32 specHash;
    address owner;
    uint64 created;
}

/// EIP-712 struct hashes, to be put under the escrow's domain, and the types of MPP's two that have a domain
/// of their own.
library SignedStructs {
    bytes32 internal constant DEPLOYMENT_TYPEHASH = keccak256(
        "Deployment(bytes32 specHash,address owner,bytes32[] providers,bytes32[] keyThumbprints,bytes32 termsHash,address escrow,uint256 chainId,uint128 maxPrice,uint64 created)"
    );
    bytes32 internal constant CALL_AUTHORIZATION_TYPEHASH = keccak256(
        "CallAuthorization(address payer,address provider,bytes32 requestDigest,uint128 maxPrice,bytes32 nonce,uint64 validBefore)"
    );
    bytes32 internal constant DELEGATION_TYPEHASH = keccak256(
        "Delegation(address account,bytes32 node,bytes32 ed25519Key,uint64 epoch,uint64 notBefore,uint64 expires)"
    );
    bytes32 internal constant REVOCATION_TYPEHASH =
        keccak256("Revocation(bytes32 specHash,address owner,uint64 created)");
    bytes32 internal constant VOUCHER_TYPEHASH = keccak256("Voucher(bytes32 channelId,uint128 cumulativeAmount)");
    bytes32 internal constant RELEASE_TYPEHASH = keccak256("Release(bytes32 channelId,uint128 finalAmount)");

    function hash(Deployment calldata d) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                DEPLOYMENT_TYPEHASH,
                d.specHash,
                d.owner,
                keccak256(abi.encodePacked(d.providers)),
                keccak256(abi.encodePacked(d.keyThumbprints)),
                d.termsHash,
                d.escrow,
                d.chainId,
                d.maxPrice,
                d.created
            )
        );
    }

    function hash(CallAuthorization calldata a) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                CALL_AUTHORIZATION_TYPEHASH, a.payer, a.provider, a.requestDigest, a.maxPrice, a.nonce, a.validBefore
            )
        );
    }

    function hash(Delegation calldata d) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(DELEGATION_TYPEHASH, d.account, d.node, d.ed25519Key, d.epoch, d.notBefore, d.expires)
        );
    }

    function hash(Revocation calldata r) internal pure returns (bytes32) {
        return keccak256(abi.encode(REVOCATION_TYPEHASH, r.specHash, r.owner, r.created));
    }
}
