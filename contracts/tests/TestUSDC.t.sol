// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TestUSDC} from "../src/TestUSDC.sol";
import {Base} from "./Base.sol";

contract TestUSDCTest is Base {
    bytes32 private constant TRANSFER_TYPEHASH = 0x7c7c6cdb67a18743f49ec6fa9b35f50d52ed05cbed4cc592e13b44501c1a2267;
    uint256 private constant KEY = 0xa11ce;

    TestUSDC private usdc;
    address private alice;
    address private bob = address(0xb0b);

    function setUp() public {
        vm.warp(1_800_000_000);
        alice = vm.addr(KEY);
        usdc = new TestUSDC(address(this));
        usdc.mint(alice, 100);
    }

    function test_looks_like_usdc() public view {
        eq(usdc.decimals(), 6, "decimals");
        eq(usdc.symbol(), "USDC", "symbol");
        eq(usdc.version(), "2", "version");
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("USDC"),
                keccak256("2"),
                block.chainid,
                address(usdc)
            )
        );
        eq(usdc.DOMAIN_SEPARATOR(), domain, "domain");
    }

    function test_only_the_owner_mints() public {
        vm.expectPartialRevert(bytes4(keccak256("OwnableUnauthorizedAccount(address)")));
        vm.prank(alice);
        usdc.mint(alice, 1);
    }

    function test_selectors_are_those_that_x402_calls() public pure {
        isTrue(
            bytes4(keccak256("transferWithAuthorization(address,address,uint256,uint256,uint256,bytes32,bytes)"))
                == 0xcf092995,
            "bytes"
        );
        isTrue(
            bytes4(
                    keccak256(
                        "transferWithAuthorization(address,address,uint256,uint256,uint256,bytes32,uint8,bytes32,bytes32)"
                    )
                ) == 0xe3ee160e,
            "v, r, s"
        );
    }

    function test_anyone_sends_a_transfer_in_either_form_once() public {
        (uint8 v, bytes32 r, bytes32 s) = sign(alice, "n1");
        usdc.transferWithAuthorization(alice, bob, 10, 0, now64() + 60, "n1", v, r, s);
        isTrue(usdc.authorizationState(alice, "n1"), "used");
        bytes memory signature = abi.encodePacked(r, s, v);
        vm.expectPartialRevert(bytes4(keccak256("ERC3009UsedAuthorization(address,bytes32)")));
        usdc.transferWithAuthorization(alice, bob, 10, 0, now64() + 60, "n1", signature);
        (v, r, s) = sign(alice, "n2");
        usdc.transferWithAuthorization(alice, bob, 10, 0, now64() + 60, "n2", abi.encodePacked(r, s, v));
        eq(usdc.balanceOf(bob), 20, "received");
    }

    function test_forged_and_expired_transfers_are_refused() public {
        (uint8 v, bytes32 r, bytes32 s) = sign(alice, "n1");
        bytes memory signature = abi.encodePacked(r, s, v);
        uint64 until = now64() + 60;
        vm.expectPartialRevert(bytes4(keccak256("ERC3009InvalidSignature()")));
        usdc.transferWithAuthorization(alice, bob, 11, 0, until, "n1", signature);
        vm.warp(until);
        vm.expectPartialRevert(bytes4(keccak256("ERC3009InvalidAuthorizationTime(uint256,uint256)")));
        usdc.transferWithAuthorization(alice, bob, 10, 0, until, "n1", signature);
    }

    function test_a_cancelled_nonce_is_of_no_use() public {
        bytes32 content = keccak256(
            abi.encode(keccak256("CancelAuthorization(address authorizer,bytes32 nonce)"), alice, bytes32("n1"))
        );
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(KEY, digest(content));
        usdc.cancelAuthorization(alice, "n1", abi.encodePacked(r, s, v));
        (v, r, s) = sign(alice, "n1");
        vm.expectPartialRevert(bytes4(keccak256("ERC3009UsedAuthorization(address,bytes32)")));
        usdc.transferWithAuthorization(alice, bob, 10, 0, now64() + 60, "n1", v, r, s);
    }

    function sign(address from, bytes32 nonce) private view returns (uint8 v, bytes32 r, bytes32 s) {
        bytes32 content =
            keccak256(abi.encode(TRANSFER_TYPEHASH, from, bob, uint256(10), uint256(0), uint256(now64() + 60), nonce));
        return vm.sign(KEY, digest(content));
    }

    function digest(bytes32 content) private view returns (bytes32) {
        return keccak256(abi.encodePacked("\x19\x01", usdc.DOMAIN_SEPARATOR(), content));
    }
}
