// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {EscrowChannels} from "./EscrowChannels.sol";
import {SignedStructs} from "./SignedStructs.sol";

/// Claims by vouchers, and leaving at once by agreement. Calls no other contract.
abstract contract EscrowVouchers is EscrowChannels {
    uint256 private immutable _voucherChain;
    bytes32 private immutable _voucherDomain;

    constructor() {
        _voucherChain = block.chainid;
        _voucherDomain = _buildVoucherDomain();
    }

    /// Raises channels with a signer to `amount` each, by vouchers; rows may be of several providers that the
    /// caller settles for. A bad row is skipped with RowSkipped and touches no other. Returns how many rows
    /// were applied.
    function claimBatch(ClaimRow[] calldata rows) external returns (uint256 applied) {
        // What the rows of one provider add is written once: nothing reads it in between.
        address provider = address(0);
        uint128 added = 0;
        for (uint256 i = 0; i < rows.length; i++) {
            ClaimRow calldata row = rows[i];
            (SkipReason reason, address claimant, uint88 more) = _claimRow(row);
            if (!_finishRow(row.id, reason)) continue;
            applied++;
            if (claimant != provider) {
                if (added != 0) earned[provider] += added;
                (provider, added) = (claimant, 0);
            }
            added += more;
        }
        if (added != 0) earned[provider] += added;
    }

    /// Ends a channel at once, with `finalAmount` as all that it paid. The provider agrees by calling (itself
    /// or its settler) or by the signature; whoever signs a Release serves no more on that channel. More than
    /// was claimed needs a channel with a signer and the payer too: as caller, or by the payer's or the
    /// channel signer's signature.
    function release(bytes32 id, uint128 finalAmount, bytes calldata signature) external {
        StoredChannel storage channel_ = _unfinishedChannel(id);
        (uint128 claimed, uint128 reserved) = _moneyOf(channel_);
        if (finalAmount < claimed || finalAmount > reserved) revert FinalAmountOutOfRange(id, claimed, reserved);
        address signed = _signerOf(releaseDigest(id, finalAmount), signature);
        address provider = channel_.provider;
        if (!isSettler(provider, msg.sender) && (signed == address(0) || !isSettler(provider, signed))) {
            revert NotSettler(provider, signed == address(0) ? msg.sender : signed);
        }
        if (finalAmount != claimed) {
            address signer = channel_.signer;
            address payer = channel_.payer;
            bool agreed = msg.sender == payer || (signed != address(0) && (signed == payer || signed == signer));
            if (signer == address(0) || !agreed) revert FinalAmountNotAgreed(id, msg.sender, signed);
            _setClaimed(channel_, claimed, finalAmount);
            emit Claimed(id, provider, finalAmount);
        }
        _finish(id, channel_);
    }

    /// The EIP-712 domain of vouchers and releases: "EVM Payment Channel", version "1".
    function voucherDomainSeparator() public view returns (bytes32) {
        return block.chainid == _voucherChain ? _voucherDomain : _buildVoucherDomain();
    }

    /// What a channel's signer signs: all that the provider may claim of it.
    function voucherDigest(bytes32 id, uint128 cumulativeAmount) public view returns (bytes32) {
        return _digest(SignedStructs.VOUCHER_TYPEHASH, id, cumulativeAmount);
    }

    /// What release takes a signature of.
    function releaseDigest(bytes32 id, uint128 finalAmount) public view returns (bytes32) {
        return _digest(SignedStructs.RELEASE_TYPEHASH, id, finalAmount);
    }

    /// Of an applied row also whose it is, and what it adds to what they earned.
    function _claimRow(ClaimRow calldata row) private returns (SkipReason, address, uint88) {
        bytes32 id = row.id;
        uint128 amount = row.amount;
        StoredChannel storage channel_ = _channels[id];
        // Each of the two words is read once.
        (address signer, uint88 claimed, bool unclaimable) = (channel_.signer, channel_.claimed, channel_.unclaimable);
        (address provider, uint88 reserved) = (channel_.claimant, channel_.reserved);
        if (signer == address(0)) {
            return (channel_.payer == address(0) ? SkipReason.UnknownChannel : SkipReason.PullChannel, provider, 0);
        }
        if (!isSettler(provider, msg.sender)) return (SkipReason.NotAuthorised, provider, 0);
        if (unclaimable) return (SkipReason.Finalized, provider, 0);
        if (amount <= claimed) return (SkipReason.NotNewer, provider, 0);
        if (amount > row.cumulative) return (SkipReason.AboveCumulative, provider, 0);
        if (amount > reserved) return (SkipReason.AboveReserved, provider, 0);
        if (_signerOf(voucherDigest(id, row.cumulative), row.signature) != signer) {
            return (SkipReason.VoucherSignature, provider, 0);
        }
        // At most the reserve, which fits.
        channel_.claimed = uint88(amount);
        emit Claimed(id, provider, amount);
        return (SkipReason.None, provider, uint88(amount) - claimed);
    }

    function _digest(bytes32 typeHash, bytes32 id, uint128 amount) private view returns (bytes32) {
        return MessageHashUtils.toTypedDataHash(voucherDomainSeparator(), keccak256(abi.encode(typeHash, id, amount)));
    }

    function _buildVoucherDomain() private view returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("EVM Payment Channel"),
                keccak256("1"),
                block.chainid,
                address(this)
            )
        );
    }
}
