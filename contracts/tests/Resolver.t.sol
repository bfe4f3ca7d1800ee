// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Registry} from "../src/Registry.sol";
import {Resolver} from "../src/Resolver.sol";
import {Base} from "./Base.sol";

contract ResolverTest is Base {
    Registry private registry;
    Resolver private resolver;
    bytes32 private node;
    address private alice = address(0xa11ce);
    address private bob = address(0xb0b);

    function setUp() public {
        registry = new Registry();
        resolver = new Resolver(registry);
        node = registry.setSubnodeOwner(0, "alice", alice);
    }

    function test_setProvider_writes_what_the_views_of_the_first_design_read() public {
        vm.prank(alice);
        resolver.setProvider(node, bob, "https://alice.example", '{"kty":"RSA"}');
        eq(resolver.addr(node), bob, "addr");
        eq(resolver.server(node), "https://alice.example", "server");
        eq(resolver.text(node, "url"), "https://alice.example", "url");
        eq(resolver.rsaPublicKey(node), '{"kty":"RSA"}', "rsaPublicKey");
        eq(resolver.text(node, "org.decloud.rsa-jwk"), '{"kty":"RSA"}', "jwk");
    }

    function test_keys_of_text_records_are_exposed() public view {
        eq(resolver.URL_KEY(), "url", "url");
        eq(resolver.RSA_JWK_KEY(), "org.decloud.rsa-jwk", "jwk");
        eq(resolver.LOWEST_EPOCH_KEY(), "org.decloud.lowest-epoch", "epoch");
    }

    function test_addresses_by_coin_type() public {
        vm.expectEmit();
        emit Resolver.AddressChanged(node, 60, abi.encodePacked(bob));
        vm.expectEmit();
        emit Resolver.AddrChanged(node, bob);
        vm.prank(alice);
        resolver.setAddr(node, bob);
        eq(keccak256(resolver.addr(node, 60)), keccak256(abi.encodePacked(bob)), "coin 60");
        vm.prank(alice);
        resolver.setAddr(node, 0, hex"76a914");
        eq(keccak256(resolver.addr(node, 0)), keccak256(hex"76a914"), "coin 0");
        vm.prank(alice);
        resolver.setAddr(node, 60, "");
        eq(resolver.addr(node), address(0), "removed");
        vm.expectRevert(Resolver.AddressInvalid.selector);
        vm.prank(alice);
        resolver.setAddr(node, 60, hex"0102");
    }

    function test_text_contenthash_and_name() public {
        vm.expectEmit();
        emit Resolver.TextChanged(node, "org.decloud.lowest-epoch", "org.decloud.lowest-epoch", "7");
        vm.prank(alice);
        resolver.setText(node, "org.decloud.lowest-epoch", "7");
        eq(resolver.text(node, "org.decloud.lowest-epoch"), "7", "text");
        vm.expectEmit();
        emit Resolver.ContenthashChanged(node, hex"e3010170");
        vm.prank(alice);
        resolver.setContenthash(node, hex"e3010170");
        eq(keccak256(resolver.contenthash(node)), keccak256(hex"e3010170"), "contenthash");
        vm.expectEmit();
        emit Resolver.NameChanged(node, "alice.decloud");
        vm.prank(alice);
        resolver.setName(node, "alice.decloud");
        eq(resolver.name(node), "alice.decloud", "name");
    }

    function test_records_nobody_set_are_empty() public view {
        eq(resolver.addr("x"), address(0), "addr");
        eq(resolver.server("x"), "", "server");
        eq(resolver.addr("x", 60).length, 0, "coin");
        eq(resolver.contenthash("x").length, 0, "contenthash");
    }

    function test_only_the_owner_and_its_operators_write() public {
        refused();
        resolver.setProvider(node, bob, "", "");
        refused();
        resolver.setAddr(node, bob);
        refused();
        resolver.setAddr(node, 0, "");
        refused();
        resolver.setText(node, "url", "");
        refused();
        resolver.setContenthash(node, "");
        refused();
        resolver.setName(node, "");
        vm.prank(alice);
        registry.setApprovalForAll(bob, true);
        vm.prank(bob);
        resolver.setText(node, "url", "by the operator");
        eq(resolver.server(node), "by the operator", "operator");
        registry.setSubnodeOwner(0, "alice", bob);
        vm.expectRevert(abi.encodeWithSelector(Resolver.NotAuthorised.selector, node, alice));
        vm.prank(alice);
        resolver.setText(node, "url", "by the former owner");
    }

    function test_nobody_writes_for_a_node_without_an_owner() public {
        vm.expectRevert(abi.encodeWithSelector(Resolver.NotAuthorised.selector, bytes32("x"), bob));
        vm.prank(bob);
        resolver.setAddr("x", bob);
    }

    function test_interfaces_are_those_of_ens() public view {
        bytes4[6] memory ids =
            [bytes4(0x01ffc9a7), 0x3b3b57de, 0xf1cb7e06, 0x59d1d43c, 0xbc1c58d1, 0x691f3431];
        for (uint256 i = 0; i < ids.length; i++) isTrue(resolver.supportsInterface(ids[i]), "supported");
        isFalse(resolver.supportsInterface(0xffffffff), "invalid");
        isFalse(resolver.supportsInterface(0x2203ab56), "ABI records are not kept");
    }

    function refused() private {
        vm.expectRevert(abi.encodeWithSelector(Resolver.NotAuthorised.selector, node, bob));
        vm.prank(bob);
    }
}
