// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EscrowStorage} from "./EscrowStorage.sol";
import {CallAuthorization, SignedStructs} from "./SignedStructs.sol";

/// What providers and their settlers charge without vouchers. Calls no other contract.
abstract contract EscrowConsume is EscrowStorage {
    /// Charges one call on a pull channel if exactly `callsBefore` calls were charged before it. Returns
    /// false, with RowSkipped, if it changed nothing.
    function consume(bytes32 id, uint128 price, uint64 callsBefore) external returns (bool) {
        StoredChannel storage channel_ = _channels[id];
        SkipReason reason = _checkPull(channel_);
        if (reason == SkipReason.None) reason = _consumeOne(id, channel_, price, callsBefore);
        return _finishRow(id, reason);
    }

    /// As consume, on a channel of either kind, with the payer's authorisation of this very call, which is
    /// used up by it. Vouchers are cumulative over what it charges too: claim the newest voucher first.
    function consumeWithPermit(
        bytes32 id,
        uint128 price,
        uint64 callsBefore,
        CallAuthorization calldata permit,
        bytes calldata signature
    ) external returns (bool) {
        StoredChannel storage channel_ = _channels[id];
        SkipReason reason = _checkPermit(channel_, price, permit, signature);
        if (reason == SkipReason.None) reason = _checkCaller(channel_);
        if (reason == SkipReason.None) {
            reason = _consumeOne(id, channel_, price, callsBefore);
            if (reason == SkipReason.None) permitUsed[permit.payer][permit.nonce] = true;
        }
        return _finishRow(id, reason);
    }

    /// Raises pull channels to cumulative totals; rows may be of several providers that the caller settles
    /// for. A bad row is skipped with RowSkipped and touches no other. Returns how many rows were applied.
    function consumeBatch(ConsumeRow[] calldata rows) external returns (uint256 applied) {
        for (uint256 i = 0; i < rows.length; i++) {
            ConsumeRow calldata row = rows[i];
            SkipReason reason = _consumeRow(row.id, row.cumulativeCalls, row.cumulativeAmount);
            if (_finishRow(row.id, reason)) applied++;
        }
    }

    function callAuthorizationDigest(CallAuthorization calldata value) public view returns (bytes32) {
        return _hashTypedDataV4(SignedStructs.hash(value));
    }

    function _consumeOne(bytes32 id, StoredChannel storage channel_, uint128 price, uint64 callsBefore)
        private
        returns (SkipReason)
    {
        if (callsBefore != channel_.calls || callsBefore == type(uint64).max) return SkipReason.CallsMismatch;
        if (price > channel_.price) return SkipReason.AbovePrice;
        (uint128 claimed, uint128 reserved) = _moneyOf(channel_);
        if (price > reserved - claimed) return SkipReason.AboveReserved;
        _consume(id, channel_, callsBefore + 1, claimed, claimed + price);
        return SkipReason.None;
    }

    function _consumeRow(bytes32 id, uint64 calls, uint128 amount) private returns (SkipReason) {
        StoredChannel storage channel_ = _channels[id];
        SkipReason reason = _checkPull(channel_);
        if (reason != SkipReason.None) return reason;
        uint128 claimed = channel_.pullClaimed;
        uint64 before = channel_.calls;
        if (calls < before || amount < claimed || (calls == before && amount == claimed)) return SkipReason.NotNewer;
        if (amount - claimed > uint256(channel_.price) * (calls - before)) return SkipReason.AbovePrice;
        if (amount > channel_.pullReserved) return SkipReason.AboveReserved;
        _consume(id, channel_, calls, claimed, amount);
        return SkipReason.None;
    }

    function _checkPull(StoredChannel storage channel_) private view returns (SkipReason) {
        SkipReason reason = _checkCaller(channel_);
        if (reason == SkipReason.None && channel_.signer != address(0)) return SkipReason.NotPull;
        return reason;
    }

    function _checkCaller(StoredChannel storage channel_) private view returns (SkipReason) {
        address provider = channel_.provider;
        if (provider == address(0)) return SkipReason.UnknownChannel;
        if (!isSettler(provider, msg.sender)) return SkipReason.NotAuthorised;
        if (channel_.finalized) return SkipReason.Finalized;
        return SkipReason.None;
    }

    function _consume(bytes32 id, StoredChannel storage channel_, uint64 calls, uint128 before, uint128 claimed)
        private
    {
        channel_.calls = calls;
        _setClaimed(channel_, before, claimed);
        emit Consumed(id, channel_.provider, calls, claimed);
    }

    function _checkPermit(
        StoredChannel storage channel_,
        uint128 price,
        CallAuthorization calldata permit,
        bytes calldata signature
    ) private view returns (SkipReason) {
        address payer = channel_.payer;
        if (payer == address(0)) return SkipReason.UnknownChannel;
        if (permit.payer != payer || permit.provider != channel_.provider) return SkipReason.PermitMismatch;
        if (price > permit.maxPrice) return SkipReason.PermitAbovePrice;
        // A block's time is off by seconds, and the node keeps a margin.
        // slither-disable-next-line timestamp
        if (block.timestamp >= permit.validBefore) return SkipReason.PermitExpired;
        if (permitUsed[payer][permit.nonce]) return SkipReason.PermitUsed;
        if (_signerOf(callAuthorizationDigest(permit), signature) != payer) return SkipReason.PermitSignature;
        return SkipReason.None;
    }
}
