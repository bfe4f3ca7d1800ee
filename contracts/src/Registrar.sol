// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRegistry} from "./IRegistry.sol";

/// Owns one top name in the registry and gives each free label under it to whoever asks first.
///
/// A name is committed to before it is revealed, so that nobody who watches the pool can take it. Names do
/// not expire and cost nothing but gas. The owner of a name hands out its subnames by the registry.
contract Registrar {
    event NameCommitted(bytes32 indexed commitment);
    event NameRegistered(bytes32 indexed node, bytes32 indexed label, address indexed owner, string name);

    error CommitmentPending(bytes32 commitment);
    error CommitmentTooNew(bytes32 commitment);
    error CommitmentMissing(bytes32 commitment);
    error LabelInvalid(string label);
    error LabelReserved(string label);
    error LabelTaken(string label);
    error OwnerMissing();
    error AgeInvalid();

    /// A host name label holds this many bytes; gateways write a hyphen in a name as two.
    uint256 public constant MAX_INLINED_LENGTH = 63;
    /// A commitment that is older is void and may be made again.
    uint64 public constant MAX_COMMITMENT_AGE = 1 days;

    IRegistry public immutable registry;
    bytes32 public immutable baseNode;
    uint64 public immutable minCommitmentAge;

    /// When a commitment was made; 0 if never, or used.
    mapping(bytes32 commitment => uint64) public committedAt;

    /// `minAge` in seconds, at least 1 and less than the maximum age.
    constructor(IRegistry registry_, bytes32 baseNode_, uint64 minAge) {
        if (minAge == 0 || minAge >= MAX_COMMITMENT_AGE) revert AgeInvalid();
        registry = registry_;
        baseNode = baseNode_;
        minCommitmentAge = minAge;
    }

    /// Announces a hidden wish for a name; see `makeCommitment`.
    function commit(bytes32 commitment) external {
        uint64 earlier = committedAt[commitment];
        // A block's time that is off by seconds shortens a wait by as much and tells nobody the name.
        // slither-disable-next-line timestamp
        if (earlier != 0 && block.timestamp <= uint256(earlier) + MAX_COMMITMENT_AGE) {
            revert CommitmentPending(commitment);
        }
        committedAt[commitment] = uint64(block.timestamp);
        emit NameCommitted(commitment);
    }

    /// Gives `label` to `owner`, who must be the one committed to. Anyone may send it.
    function register(string calldata label, address owner, bytes32 secret) external returns (bytes32 node) {
        bytes32 commitment = makeCommitment(label, owner, secret);
        uint256 since = committedAt[commitment];
        // slither-disable-start timestamp
        if (since == 0 || block.timestamp > since + MAX_COMMITMENT_AGE) revert CommitmentMissing(commitment);
        if (block.timestamp < since + minCommitmentAge) revert CommitmentTooNew(commitment);
        // slither-disable-end timestamp
        if (!available(label)) revert LabelTaken(label);
        delete committedAt[commitment];
        bytes32 labelHash = keccak256(bytes(label));
        // The registry is ours and calls nobody; the event needs the node that it returns.
        // slither-disable-next-line reentrancy-events
        node = registry.setSubnodeOwner(baseNode, labelHash, owner);
        emit NameRegistered(node, labelHash, owner, label);
    }

    /// The hash to commit to. Reverts for a label that could never be registered.
    function makeCommitment(string calldata label, address owner, bytes32 secret) public view returns (bytes32) {
        checkLabel(label);
        if (owner == address(0)) revert OwnerMissing();
        return keccak256(abi.encode(block.chainid, address(this), keccak256(bytes(label)), owner, secret));
    }

    /// True if nobody owns the label now. Says nothing about whether it is allowed.
    function available(string calldata label) public view returns (bool) {
        return !registry.recordExists(keccak256(abi.encodePacked(baseNode, keccak256(bytes(label)))));
    }

    /// Reverts unless the label has lower-case letters, digits and inner hyphens only, is not reserved, does
    /// not start like an encoded international name, and fits a host name label once inlined.
    function checkLabel(string calldata label) public pure {
        bytes calldata text = bytes(label);
        uint256 length = text.length;
        if (length == 0 || length > MAX_INLINED_LENGTH) revert LabelInvalid(label);
        if (text[0] == "-" || text[length - 1] == "-") revert LabelInvalid(label);
        uint256 inlined = length;
        for (uint256 i = 0; i < length; i++) {
            bytes1 c = text[i];
            if (c == "-") inlined++;
            else if (!(c >= "a" && c <= "z") && !(c >= "0" && c <= "9")) revert LabelInvalid(label);
        }
        if (inlined > MAX_INLINED_LENGTH) revert LabelInvalid(label);
        if (length > 3 && text[0] == "x" && text[1] == "n" && text[2] == "-") revert LabelReserved(label);
        if (isReserved(keccak256(text))) revert LabelReserved(label);
    }

    /// True for the hash of a label that gateways use themselves.
    function isReserved(bytes32 labelHash) public pure returns (bool) {
        return labelHash == keccak256("app") || labelHash == keccak256("fn") || labelHash == keccak256("p")
            || labelHash == keccak256("ipfs") || labelHash == keccak256("ipns") || labelHash == keccak256("www")
            || labelHash == keccak256("api");
    }
}
