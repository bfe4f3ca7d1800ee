// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EscrowStorage} from "./EscrowStorage.sol";

/// What payers do with channels: opening, adding, leaving.
abstract contract EscrowChannels is EscrowStorage {
    /// Moves `budget` from free to reserved. Adds to the open pull channel if the price is the same; else
    /// opens the next one, and an older one starts to close.
    function approve(address provider, uint128 price, uint128 budget) external returns (bytes32 id) {
        if (provider == address(0)) revert AddressMissing();
        uint256 count = pullChannels[msg.sender][provider];
        if (count != 0) {
            id = _pullId(msg.sender, provider, count);
            StoredChannel storage newest = _channels[id];
            if (newest.closeAt == 0) {
                if (newest.price == price) {
                    _increase(id, newest, budget);
                    return id;
                }
                _startClose(id, newest);
            }
        }
        pullChannels[msg.sender][provider] = ++count;
        id = _open(provider, address(0), bytes32(count), price, budget);
        _channels[id].pullReserved = budget;
    }

    /// Moves `budget` from free to a new channel on which the vouchers of `signer`, a key's account, say what
    /// may be claimed. Each `salt` is a channel of its own (a lane), once: an id is never used again. `price`
    /// bounds consumeWithPermit; vouchers may be of any amount up to the budget.
    function approve(address provider, uint128 price, uint128 budget, address signer, bytes32 salt)
        external
        returns (bytes32 id)
    {
        if (provider == address(0)) revert AddressMissing();
        if (signer == address(0)) revert SignerMissing();
        if (signer.code.length != 0) revert SignerHasCode(signer);
        id = _open(provider, signer, salt, price, budget);
        StoredChannel storage channel_ = _channels[id];
        channel_.signer = signer;
        channel_.claimant = provider;
        channel_.reserved = _narrow(budget);
    }

    /// Moves the caller's free money into one of its channels that is neither closing nor final.
    function increase(bytes32 id, uint128 amount) external {
        _increase(id, _openChannelOf(id, msg.sender), amount);
    }

    /// Starts the close delay. The provider can claim until the channel is final.
    function requestClose(bytes32 id) external {
        _startClose(id, _openChannelOf(id, msg.sender));
    }

    /// After the close delay: gives the remainder back to the payer, for good. Anyone may send it.
    function finalizeClose(bytes32 id) external {
        StoredChannel storage channel_ = _unfinishedChannel(id);
        uint64 closeAt = channel_.closeAt;
        if (closeAt == 0) revert ChannelNotClosing(id);
        // The delay is an hour at least; a block's time is off by seconds.
        // slither-disable-next-line timestamp
        if (block.timestamp < closeAt) revert CloseTooEarly(id, closeAt);
        _finish(id, channel_);
    }

    /// All fields of a channel; all zero if it does not exist.
    function channel(bytes32 id) external view returns (Channel memory found) {
        StoredChannel storage c = _channels[id];
        found.payer = c.payer;
        found.openedAt = c.openedAt;
        found.provider = c.provider;
        found.closeAt = c.closeAt;
        found.finalized = c.finalized;
        found.calls = c.calls;
        found.price = c.price;
        found.signer = c.signer;
        (found.claimed, found.reserved) = _moneyOf(c);
    }

    /// The newest pull channel if it is open and not closing.
    function allowance(address payer, address provider) external view returns (Allowance memory found) {
        uint256 count = pullChannels[payer][provider];
        if (count == 0) return found;
        bytes32 id = _pullId(payer, provider, count);
        StoredChannel storage c = _channels[id];
        if (c.closeAt != 0) return found;
        found = Allowance(id, c.price, c.pullReserved - c.pullClaimed, c.pullReserved, c.pullClaimed, c.calls);
    }

    /// The id of a channel, by the formula of MPP's evm-session. Pull channels have signer 0 and count salts
    /// from 1.
    function channelId(address payer, address provider, bytes32 salt, address signer) public view returns (bytes32) {
        return keccak256(abi.encode(payer, provider, address(token), salt, signer, address(this), block.chainid));
    }

    /// A channel that is there and not final.
    function _unfinishedChannel(bytes32 id) internal view returns (StoredChannel storage channel_) {
        channel_ = _channels[id];
        if (channel_.payer == address(0)) revert ChannelUnknown(id);
        if (channel_.finalized) revert ChannelFinalized(id);
    }

    /// Gives the remainder back to the payer; nothing changes the channel afterwards.
    function _finish(bytes32 id, StoredChannel storage channel_) internal {
        (uint128 claimed, uint128 reserved) = _moneyOf(channel_);
        uint128 freed = reserved - claimed;
        channel_.finalized = true;
        if (channel_.closeAt == 0) channel_.closeAt = uint64(block.timestamp);
        if (channel_.signer != address(0)) channel_.unclaimable = true;
        free[channel_.payer] += freed;
        emit ChannelFinal(id, channel_.payer, channel_.provider, freed);
    }

    function _pullId(address payer, address provider, uint256 count) private view returns (bytes32) {
        return channelId(payer, provider, bytes32(count), address(0));
    }

    function _openChannelOf(bytes32 id, address payer) private view returns (StoredChannel storage channel_) {
        channel_ = _channels[id];
        if (channel_.payer == address(0)) revert ChannelUnknown(id);
        if (channel_.payer != payer) revert NotPayer(id, payer);
        if (channel_.finalized) revert ChannelFinalized(id);
        if (channel_.closeAt != 0) revert ChannelClosing(id, channel_.closeAt);
    }

    function _open(address provider, address signer, bytes32 salt, uint128 price, uint128 budget)
        private
        returns (bytes32 id)
    {
        _takeFree(msg.sender, budget);
        id = channelId(msg.sender, provider, salt, signer);
        StoredChannel storage channel_ = _channels[id];
        if (channel_.payer != address(0)) revert ChannelExists(id);
        channel_.payer = msg.sender;
        channel_.openedAt = uint64(block.timestamp);
        channel_.provider = provider;
        channel_.price = price;
        emit ChannelOpened(id, msg.sender, provider, signer, salt, price, budget);
    }

    function _increase(bytes32 id, StoredChannel storage channel_, uint128 amount) private {
        _takeFree(msg.sender, amount);
        (, uint128 reserved) = _moneyOf(channel_);
        reserved += amount;
        if (channel_.signer == address(0)) channel_.pullReserved = reserved;
        else channel_.reserved = _narrow(reserved);
        emit ChannelIncreased(id, amount, reserved);
    }

    function _startClose(bytes32 id, StoredChannel storage channel_) private {
        uint64 closeAt = uint64(block.timestamp) + closeDelay;
        channel_.closeAt = closeAt;
        emit CloseRequested(id, channel_.payer, channel_.provider, closeAt);
    }

    function _narrow(uint128 amount) private pure returns (uint88) {
        if (amount > type(uint88).max) revert AmountTooLarge(amount, type(uint88).max);
        return uint88(amount);
    }
}
