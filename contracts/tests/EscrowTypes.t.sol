// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Escrow} from "../src/Escrow.sol";
import {EscrowStorage} from "../src/EscrowStorage.sol";
import {CallAuthorization, Delegation, Deployment, Revocation} from "../src/SignedStructs.sol";
import {EscrowBase} from "./EscrowBase.sol";

/// The signed structs, against EIP-712 written out once more, and the storage layout.
contract EscrowTypesTest is EscrowBase {
    function test_domain_is_decloud_1() public view {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("decloud"),
                keccak256("1"),
                block.chainid,
                address(escrow)
            )
        );
        eq(escrow.domainSeparator(), domain, "domain");
    }

    function test_vouchers_and_releases_have_mpps_domain() public view {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("EVM Payment Channel"),
                keccak256("1"),
                block.chainid,
                address(escrow)
            )
        );
        eq(escrow.voucherDomainSeparator(), domain, "domain");
        bytes32 voucher = keccak256(
            bytes.concat(
                keccak256("Voucher(bytes32 channelId,uint128 cumulativeAmount)"), bytes32("id"), bytes32(uint256(7))
            )
        );
        eq(escrow.voucherDigest("id", 7), keccak256(bytes.concat("\x19\x01", domain, voucher)), "voucher");
        bytes32 release = keccak256(
            bytes.concat(
                keccak256("Release(bytes32 channelId,uint128 finalAmount)"), bytes32("id"), bytes32(uint256(7))
            )
        );
        eq(escrow.releaseDigest("id", 7), keccak256(bytes.concat("\x19\x01", domain, release)), "release");
    }

    function test_domains_follow_the_chain_id() public {
        bytes32 before = escrow.voucherDomainSeparator();
        uint256 chain = CHAIN;
        vm.chainId(chain + 1);
        isTrue(before != escrow.voucherDomainSeparator(), "another chain");
        vm.chainId(chain);
        eq(before, escrow.voucherDomainSeparator(), "back");
    }

    function test_call_authorization_digest() public view {
        CallAuthorization memory a = permit("n");
        bytes32 content = keccak256(
            bytes.concat(
                keccak256(
                    "CallAuthorization(address payer,address provider,bytes32 requestDigest,uint128 maxPrice,bytes32 nonce,uint64 validBefore)"
                ),
                word(a.payer),
                word(a.provider),
                a.requestDigest,
                bytes32(uint256(a.maxPrice)),
                a.nonce,
                bytes32(uint256(a.validBefore))
            )
        );
        eq(escrow.callAuthorizationDigest(a), digest(content), "digest");
    }

    function test_deployment_digest_hashes_its_arrays() public view {
        Deployment memory d;
        d.specHash = "spec";
        d.owner = payer;
        d.providers = new bytes32[](2);
        d.providers[0] = "one";
        d.providers[1] = "two";
        d.keyThumbprints = new bytes32[](1);
        d.keyThumbprints[0] = "key";
        d.termsHash = "terms";
        d.escrow = address(escrow);
        d.chainId = 31337;
        d.maxPrice = 1000;
        d.created = 1_800_000_000;
        bytes memory head = bytes.concat(
            keccak256(
                "Deployment(bytes32 specHash,address owner,bytes32[] providers,bytes32[] keyThumbprints,bytes32 termsHash,address escrow,uint256 chainId,uint128 maxPrice,uint64 created)"
            ),
            d.specHash,
            word(d.owner),
            keccak256(bytes.concat(bytes32("one"), bytes32("two"))),
            keccak256(bytes.concat(bytes32("key"))),
            d.termsHash
        );
        bytes memory tail = bytes.concat(
            word(d.escrow), bytes32(d.chainId), bytes32(uint256(d.maxPrice)), bytes32(uint256(d.created))
        );
        eq(escrow.deploymentDigest(d), digest(keccak256(bytes.concat(head, tail))), "digest");
    }

    function test_deployment_digest_of_a_public_one_has_the_hash_of_nothing() public view {
        Deployment memory d;
        bytes32 nothing = keccak256("");
        bytes32 content = keccak256(
            bytes.concat(
                keccak256(
                    "Deployment(bytes32 specHash,address owner,bytes32[] providers,bytes32[] keyThumbprints,bytes32 termsHash,address escrow,uint256 chainId,uint128 maxPrice,uint64 created)"
                ),
                new bytes(64),
                nothing,
                nothing,
                new bytes(160)
            )
        );
        eq(escrow.deploymentDigest(d), digest(content), "digest");
    }

    function test_delegation_and_revocation_digests() public view {
        Delegation memory d = Delegation(provider, "node", "key", 1, 2, 3);
        bytes32 content = keccak256(
            bytes.concat(
                keccak256(
                    "Delegation(address account,bytes32 node,bytes32 ed25519Key,uint64 epoch,uint64 notBefore,uint64 expires)"
                ),
                word(provider),
                bytes32("node"),
                bytes32("key"),
                bytes32(uint256(1)),
                bytes32(uint256(2)),
                bytes32(uint256(3))
            )
        );
        eq(escrow.delegationDigest(d), digest(content), "delegation");
        bytes32 revocation = keccak256(
            bytes.concat(
                keccak256("Revocation(bytes32 specHash,address owner,uint64 created)"),
                bytes32("spec"),
                word(payer),
                bytes32(uint256(9))
            )
        );
        eq(escrow.revocationDigest(Revocation("spec", payer, 9)), digest(revocation), "revocation");
    }

    /// What is stored must not move (contracts/README.md).
    function test_storage_stays_where_it_is() public {
        bytes32 id = open();
        consume(id, PRICE, 0);
        close(id);
        eq(stored(2), escrow.held(), "held");
        eq(stored(mapped(word(payer), 3)), DEPOSIT - BUDGET, "free");
        uint256 slot = mapped(id, 4);
        eq(stored(slot), uint256(uint160(payer)) | uint256(now64()) << 160, "payer, openedAt");
        eq(stored(slot + 1), uint256(uint160(provider)) | uint256(now64() + T) << 160, "provider, closeAt, final");
        eq(stored(slot + 2), uint256(PRICE) | 1 << 128, "claimed, calls");
        eq(stored(slot + 3), uint256(PRICE) | uint256(BUDGET) << 128, "price, reserved");
        eq(stored(slot + 4), 0, "signer");
        eq(stored(mapped(word(provider), mapped(word(payer), 5))), 1, "pullChannels");
        eq(stored(mapped(word(provider), 6)), PRICE, "earned");
        vm.warp(now64() + T);
        escrow.finalizeClose(id);
        eq(stored(slot + 1) >> 224, 1, "final");
    }

    function test_providers_storage_stays_where_it_is() public {
        vm.prank(provider);
        escrow.setSettler(stranger, 77);
        vm.prank(provider);
        escrow.setPayout(stranger);
        vm.prank(provider);
        escrow.grantTrial(payer, 3, 4);
        eq(stored(mapped(word(provider), 7)), uint256(uint160(stranger)) | 77 << 160, "settlers");
        eq(stored(mapped(word(provider), 8)), uint256(uint160(stranger)), "payoutAddress");
        eq(stored(mapped(word(payer), mapped(word(provider), 9))), 3 | 4 << 128, "trials");
        CallAuthorization memory p = permit("n");
        bytes memory signature = signed(p);
        bytes32 id = open();
        vm.prank(provider);
        escrow.consumeWithPermit(id, PRICE, 0, p, signature);
        eq(stored(mapped("n", mapped(word(payer), 10))), 1, "permitUsed");
    }

    function test_a_channel_with_a_signer_has_its_money_in_two_words() public {
        bytes32 id = openSigned("lane");
        claim(id, 30, 20);
        uint256 slot = mapped(id, 4);
        eq(stored(slot), uint256(uint160(payer)) | uint256(now64()) << 160, "payer, openedAt");
        eq(stored(slot + 1), uint256(uint160(provider)), "provider");
        eq(stored(slot + 2), 0, "not used");
        eq(stored(slot + 3), PRICE, "price");
        eq(stored(slot + 4), uint256(uint160(signer)) | 20 << 160, "signer, claimed");
        eq(stored(slot + 5), uint256(uint160(provider)) | uint256(BUDGET) << 160, "claimant, reserved");
        finalize(id);
        eq(stored(slot + 4) >> 248, 1, "unclaimable");
    }

    function test_an_id_that_exists_is_not_opened_again() public {
        bytes32 id = open();
        vm.store(address(escrow), bytes32(mapped(word(provider), mapped(word(payer), 5))), 0);
        vm.expectRevert(abi.encodeWithSelector(EscrowStorage.ChannelExists.selector, id));
        vm.prank(payer);
        escrow.approve(provider, PRICE, BUDGET);
    }

    function test_the_contract_fits_the_code_limit() public view {
        isTrue(address(escrow).code.length <= 24576, "EIP-170");
    }

    function stored(uint256 slot) private view returns (uint256) {
        return uint256(vm.load(address(escrow), bytes32(slot)));
    }

    function mapped(bytes32 key, uint256 slot) private pure returns (uint256) {
        return uint256(keccak256(abi.encode(key, slot)));
    }

    function word(address account) private pure returns (bytes32) {
        return bytes32(uint256(uint160(account)));
    }

    function digest(bytes32 content) private view returns (bytes32) {
        return keccak256(bytes.concat("\x19\x01", escrow.domainSeparator(), content));
    }
}
