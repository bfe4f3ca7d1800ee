// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRegistry} from "../src/IRegistry.sol";
import {Namehash} from "../src/Namehash.sol";
import {Registrar} from "../src/Registrar.sol";
import {Registry} from "../src/Registry.sol";
import {Base} from "./Base.sol";

/// Namehash, registry and registrar.
contract NamesTest is Base {
    Registry private registry;
    Registrar private registrar;
    bytes32 private top;
    address private alice = address(0xa11ce);
    address private bob = address(0xb0b);

    function setUp() public {
        vm.warp(1_800_000_000);
        registry = new Registry();
        top = Namehash.namehash("decloud");
        registrar = new Registrar(registry, top, 1);
        registry.setSubnodeOwner(0, keccak256("decloud"), address(registrar));
    }

    function test_namehash_matches_eip137() public pure {
        eq(Namehash.namehash(""), 0, "root");
        eq(Namehash.namehash("eth"), 0x93cdeb708b7545dc668eb9280176169d1c33cfd8ed6f04690a0bcc88a93fc4ae, "eth");
        eq(Namehash.namehash("foo.eth"), 0xde9b09fd7c5f901e23a3f19fecc54828e9c848539801e86591bd9801b019f84f, "foo.eth");
        eq(Namehash.subnode(Namehash.namehash("eth"), keccak256("foo")), Namehash.namehash("foo.eth"), "subnode");
    }

    function test_namehash_refuses_empty_labels() public {
        string[4] memory names = [".", "a.", ".a", "a..b"];
        for (uint256 i = 0; i < names.length; i++) {
            vm.expectRevert(Namehash.EmptyLabel.selector);
            Namehash.namehash(names[i]);
        }
    }

    function test_root_belongs_to_the_deployer() public view {
        eq(registry.owner(0), address(this), "owner");
        eq(registry.owner(top), address(registrar), "top name");
    }

    function test_only_owner_and_operator_write_in_the_registry() public {
        bytes32 node = registry.setSubnodeOwner(0, "x", alice);
        bytes memory refused = abi.encodeWithSelector(Registry.NotAuthorised.selector, node, bob);
        vm.expectRevert(refused);
        vm.prank(bob);
        registry.setOwner(node, bob);
        vm.expectRevert(refused);
        vm.prank(bob);
        registry.setResolver(node, bob);
        vm.expectRevert(refused);
        vm.prank(bob);
        registry.setTTL(node, 1);
        vm.expectRevert(refused);
        vm.prank(bob);
        registry.setSubnodeOwner(node, "y", bob);
        vm.expectRevert(refused);
        vm.prank(bob);
        registry.setRecord(node, bob, bob, 1);
        vm.expectRevert(refused);
        vm.prank(bob);
        registry.setSubnodeRecord(node, "y", bob, bob, 1);
        vm.expectEmit();
        emit IRegistry.ApprovalForAll(alice, bob, true);
        vm.prank(alice);
        registry.setApprovalForAll(bob, true);
        vm.prank(bob);
        registry.setResolver(node, bob);
        eq(registry.resolver(node), bob, "operator");
        vm.prank(alice);
        registry.setApprovalForAll(bob, false);
        vm.expectRevert(refused);
        vm.prank(bob);
        registry.setTTL(node, 1);
    }

    function test_records_are_set_at_once_with_their_events() public {
        bytes32 node = keccak256(abi.encodePacked(bytes32(0), bytes32("x")));
        vm.expectEmit();
        emit IRegistry.NewOwner(0, "x", alice);
        vm.expectEmit();
        emit IRegistry.NewResolver(node, bob);
        vm.expectEmit();
        emit IRegistry.NewTTL(node, 60);
        registry.setSubnodeRecord(0, "x", alice, bob, 60);
        eq(registry.owner(node), alice, "owner");
        eq(registry.resolver(node), bob, "resolver");
        eq(registry.ttl(node), 60, "ttl");
        vm.expectEmit();
        emit IRegistry.Transfer(node, bob);
        vm.prank(alice);
        registry.setRecord(node, bob, bob, 60);
        eq(registry.owner(node), bob, "new owner");
    }

    function test_owner_hides_the_registry_itself() public {
        bytes32 node = registry.setSubnodeOwner(0, "x", address(registry));
        eq(registry.owner(node), address(0), "owner");
        isTrue(registry.recordExists(node), "exists");
        isFalse(registry.recordExists("never"), "never");
    }

    function test_register_gives_the_label_to_the_committed_owner() public {
        registrar.commit(registrar.makeCommitment("alice", alice, "s"));
        vm.warp(now64() + 1);
        bytes32 node = Namehash.namehash("alice.decloud");
        vm.expectEmit();
        emit Registrar.NameRegistered(node, keccak256("alice"), alice, "alice");
        vm.prank(bob);
        eq(registrar.register("alice", alice, "s"), node, "node");
        eq(registry.owner(node), alice, "owner");
        isFalse(registrar.available("alice"), "available");
    }

    function test_whoever_copies_a_reveal_gets_nothing() public {
        registrar.commit(registrar.makeCommitment("alice", alice, "s"));
        vm.warp(now64() + 1);
        bytes32 copied = registrar.makeCommitment("alice", bob, "s");
        vm.expectRevert(abi.encodeWithSelector(Registrar.CommitmentMissing.selector, copied));
        vm.prank(bob);
        registrar.register("alice", bob, "s");
        registrar.commit(copied);
        vm.expectRevert(abi.encodeWithSelector(Registrar.CommitmentTooNew.selector, copied));
        vm.prank(bob);
        registrar.register("alice", bob, "s");
    }

    function test_commitments_age_and_are_used_once() public {
        bytes32 commitment = registrar.makeCommitment("alice", alice, "s");
        registrar.commit(commitment);
        vm.expectRevert(abi.encodeWithSelector(Registrar.CommitmentPending.selector, commitment));
        registrar.commit(commitment);
        vm.warp(now64() + 1 days + 1);
        vm.expectRevert(abi.encodeWithSelector(Registrar.CommitmentMissing.selector, commitment));
        registrar.register("alice", alice, "s");
        registrar.commit(commitment);
        vm.warp(now64() + 1);
        registrar.register("alice", alice, "s");
        eq(registrar.committedAt(commitment), 0, "used");
    }

    function test_a_taken_label_is_refused() public {
        take("alice", alice);
        registrar.commit(registrar.makeCommitment("alice", bob, "t"));
        vm.warp(now64() + 1);
        vm.expectRevert(abi.encodeWithSelector(Registrar.LabelTaken.selector, "alice"));
        registrar.register("alice", bob, "t");
    }

    function test_a_label_given_up_is_free_again() public {
        bytes32 node = take("alice", alice);
        vm.prank(alice);
        registry.setOwner(node, address(0));
        take("alice", bob);
        eq(registry.owner(node), bob, "owner");
    }

    function test_owners_hand_out_subnames() public {
        bytes32 node = take("alice", alice);
        vm.prank(alice);
        registry.setSubnodeOwner(node, keccak256("shop"), bob);
        eq(registry.owner(Namehash.namehash("shop.alice.decloud")), bob, "owner");
    }

    function test_reserved_labels_are_refused() public {
        string[9] memory labels = ["app", "fn", "p", "ipfs", "ipns", "www", "api", "xn--abc", "xn-a"];
        for (uint256 i = 0; i < labels.length; i++) {
            vm.expectRevert(abi.encodeWithSelector(Registrar.LabelReserved.selector, labels[i]));
            registrar.checkLabel(labels[i]);
        }
    }

    function test_labels_are_lower_case_letters_digits_and_inner_hyphens() public {
        string[9] memory bad = ["", "-", "-a", "a-", "A", "a.b", "a_b", unicode"ä", "a b"];
        for (uint256 i = 0; i < bad.length; i++) {
            vm.expectRevert(abi.encodeWithSelector(Registrar.LabelInvalid.selector, bad[i]));
            registrar.checkLabel(bad[i]);
        }
        string[6] memory good = ["a", "0", "a-b", "a--b", "xn", "application"];
        for (uint256 i = 0; i < good.length; i++) registrar.checkLabel(good[i]);
    }

    function test_labels_fit_63_bytes_when_inlined() public {
        registrar.checkLabel(repeat(63, 0));
        refuse(repeat(64, 0));
        registrar.checkLabel(repeat(62, 1));
        refuse(repeat(63, 1));
        registrar.checkLabel(repeat(42, 21));
        refuse(repeat(43, 21));
    }

    function test_a_name_needs_an_owner() public {
        vm.expectRevert(Registrar.OwnerMissing.selector);
        registrar.makeCommitment("alice", address(0), "s");
    }

    function test_the_minimum_age_is_between_a_second_and_a_day() public {
        vm.expectRevert(Registrar.AgeInvalid.selector);
        new Registrar(registry, top, 0);
        vm.expectRevert(Registrar.AgeInvalid.selector);
        new Registrar(registry, top, 1 days);
    }

    function testFuzz_no_label_outside_the_alphabet_passes(string calldata label) public view {
        try registrar.checkLabel(label) {
            bytes memory text = bytes(label);
            isTrue(text.length > 0 && text.length <= 63, "length");
            for (uint256 i = 0; i < text.length; i++) {
                bytes1 c = text[i];
                isTrue((c >= "a" && c <= "z") || (c >= "0" && c <= "9") || c == "-", "alphabet");
            }
        } catch {}
    }

    function take(string memory label, address owner) private returns (bytes32) {
        registrar.commit(registrar.makeCommitment(label, owner, "take"));
        vm.warp(now64() + 1);
        return registrar.register(label, owner, "take");
    }

    function refuse(string memory label) private {
        vm.expectRevert(abi.encodeWithSelector(Registrar.LabelInvalid.selector, label));
        registrar.checkLabel(label);
    }

    /// A label of `length` bytes, `hyphens` of them hyphens that are neither first nor last.
    function repeat(uint256 length, uint256 hyphens) private pure returns (string memory) {
        bytes memory text = new bytes(length);
        for (uint256 i = 0; i < length; i++) text[i] = i > 0 && i <= hyphens ? bytes1("-") : bytes1("a");
        return string(text);
    }
}
