// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// The cheat codes of forge that the tests use.
interface Vm {
    function warp(uint256 timestamp) external;
    function chainId(uint256 id) external;
    function prank(address sender) external;
    function assume(bool condition) external pure;
    function sign(uint256 key, bytes32 digest) external pure returns (uint8 v, bytes32 r, bytes32 s);
    function signWithNonceUnsafe(uint256 key, bytes32 digest, uint256 nonce)
        external
        pure
        returns (uint8 v, bytes32 r, bytes32 s);
    function addr(uint256 key) external pure returns (address);
    function load(address target, bytes32 slot) external view returns (bytes32);
    function store(address target, bytes32 slot, bytes32 value) external;
    function expectRevert(bytes calldata data) external;
    function expectRevert(bytes4 selector) external;
    function expectPartialRevert(bytes4 selector) external;
    function expectEmit() external;
    function getBlockTimestamp() external view returns (uint256);
    function snapshotValue(string calldata group, string calldata name, uint256 value) external;
}

/// What every test needs; assertions say what they compared.
abstract contract Base {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    error NotEqual(string what, uint256 left, uint256 right);
    error NotTrue(string what);

    function eq(uint256 left, uint256 right, string memory what) internal pure {
        if (left != right) revert NotEqual(what, left, right);
    }

    function eq(bytes32 left, bytes32 right, string memory what) internal pure {
        eq(uint256(left), uint256(right), what);
    }

    function eq(address left, address right, string memory what) internal pure {
        eq(uint256(uint160(left)), uint256(uint160(right)), what);
    }

    function eq(string memory left, string memory right, string memory what) internal pure {
        eq(keccak256(bytes(left)), keccak256(bytes(right)), what);
    }

    function isTrue(bool condition, string memory what) internal pure {
        if (!condition) revert NotTrue(what);
    }

    function isFalse(bool condition, string memory what) internal pure {
        isTrue(!condition, what);
    }

    function bound(uint256 value, uint256 least, uint256 most) internal pure returns (uint256) {
        return value >= least && value <= most ? value : least + value % (most - least + 1);
    }

    function now64() internal view returns (uint64) {
        return uint64(vm.getBlockTimestamp());
    }
}
