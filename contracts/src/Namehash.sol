// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// Names to nodes as EIP-137 defines them. Normalising (case, Unicode) is the client's task.
library Namehash {
    error EmptyLabel();

    /// The node of a dotted name; the empty name is the root, node 0.
    function namehash(string memory name) public pure returns (bytes32 node) {
        bytes memory text = bytes(name);
        if (text.length == 0) return 0;
        uint256 end = text.length;
        while (true) {
            uint256 start = end;
            while (start > 0 && text[start - 1] != ".") start--;
            if (start == end) revert EmptyLabel();
            node = subnode(node, _slice_hash(text, start, end));
            if (start == 0) return node;
            end = start - 1;
        }
    }

    /// The node of the name with hash `label` directly under `parent`.
    function subnode(bytes32 parent, bytes32 label) public pure returns (bytes32) {
        return keccak256(abi.encodePacked(parent, label));
    }

    function _slice_hash(bytes memory text, uint256 start, uint256 end) private pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            hash := keccak256(add(add(text, 32), start), sub(end, start))
        }
    }
}
