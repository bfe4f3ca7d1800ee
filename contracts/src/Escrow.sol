// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IReceiveWithAuthorization} from "./IReceiveWithAuthorization.sol";
import {CallAuthorization, Delegation, Deployment, Revocation, SignedStructs} from "./SignedStructs.sol";

/// Money that payers reserve for providers, and what providers earned of it.
///
/// Nobody has power over the funds of others: there is no owner and no upgrade. Amounts are in the token's
/// smallest unit, times in seconds. The rules that hold always are in contracts/README.md.
contract Escrow is EIP712, ReentrancyGuardTransient {
    using SafeERC20 for IERC20Metadata;

    /// Money reserved by one payer for one provider at one price. `signer` is 0 for a pull channel, on which
    /// the provider consumes by itself. The remainder of a final channel went back to the payer.
    struct Channel {
        address payer;
        uint64 openedAt;
        address provider;
        uint64 closeAt;
        bool finalized;
        uint128 claimed;
        uint64 calls;
        uint128 price;
        uint128 reserved;
        address signer;
    }

    /// The newest open pull channel of a payer with a provider; all zero if there is none.
    struct Allowance {
        bytes32 id;
        uint128 price;
        uint128 remaining;
        uint128 reserved;
        uint128 claimed;
        uint64 calls;
    }

    /// What a channel has been used for in all since it was opened.
    struct ConsumeRow {
        bytes32 id;
        uint64 cumulativeCalls;
        uint128 cumulativeAmount;
    }

    /// Calls that a provider gives away to a user.
    struct Trial {
        uint64 granted;
        uint64 used;
        uint64 expires;
    }

    struct TrialRow {
        address user;
        uint64 cumulativeUsed;
    }

    /// A key that may consume for a provider until it expires, but never pay out.
    struct Settler {
        address account;
        uint64 expires;
    }

    /// Why a row changed nothing.
    enum SkipReason {
        None,
        UnknownChannel,
        NotAuthorised,
        Finalized,
        NotPull,
        NotNewer,
        AbovePrice,
        AboveReserved,
        CallsMismatch,
        PermitMismatch,
        PermitAbovePrice,
        PermitExpired,
        PermitUsed,
        PermitSignature,
        AboveGranted
    }

    event Deposited(address indexed account, address indexed from, uint128 amount);
    event Withdrawn(address indexed account, address indexed to, uint128 amount);
    event ChannelOpened(
        bytes32 indexed id,
        address indexed payer,
        address indexed provider,
        address signer,
        bytes32 salt,
        uint128 price,
        uint128 reserved
    );
    event ChannelIncreased(bytes32 indexed id, uint128 amount, uint128 reserved);
    /// `calls` and `claimed` are the channel's totals after the row.
    event Consumed(bytes32 indexed id, address indexed provider, uint64 calls, uint128 claimed);
    event RowSkipped(bytes32 indexed id, address indexed caller, SkipReason reason);
    event CloseRequested(bytes32 indexed id, address indexed payer, address indexed provider, uint64 closeAt);
    event ChannelFinal(bytes32 indexed id, address indexed payer, address indexed provider, uint128 freed);
    event TrialGranted(address indexed provider, address indexed user, uint64 granted, uint64 expires);
    event TrialConsumed(address indexed provider, address indexed user, uint64 used);
    event TrialSkipped(address indexed provider, address indexed user, SkipReason reason);
    event SettlerSet(address indexed provider, address indexed settler, uint64 expires);
    event PayoutSet(address indexed provider, address indexed to);
    event Paid(address indexed provider, address indexed to, uint128 amount);

    error DecimalsNotSix(uint8 decimals);
    error CloseDelayOutOfRange(uint64 closeDelay);
    error AddressMissing();
    error AmountMissing();
    error AmountUnexpected(uint256 expected, uint256 received);
    error FreeTooLow(uint128 free, uint128 needed);
    error ChannelUnknown(bytes32 id);
    error ChannelExists(bytes32 id);
    error ChannelClosing(bytes32 id, uint64 closeAt);
    error ChannelNotClosing(bytes32 id);
    error ChannelFinalized(bytes32 id);
    error CloseTooEarly(bytes32 id, uint64 closeAt);
    error NotPayer(bytes32 id, address caller);
    error NotSettler(address provider, address caller);
    error PayoutUnset(address provider);

    uint64 public constant MIN_CLOSE_DELAY = 1 hours;
    uint64 public constant DEFAULT_CLOSE_DELAY = 24 hours;
    uint64 public constant MAX_CLOSE_DELAY = 30 days;

    /// The only token held here.
    IERC20Metadata public immutable token;
    /// T: how long a channel that its payer wants to leave stays claimable.
    uint64 public immutable closeDelay;

    /// Everything owed to accounts, channels and providers; the balance above it came by direct transfers.
    uint128 public held;
    /// What an account may withdraw or reserve.
    mapping(address account => uint128) public free;
    mapping(bytes32 id => Channel) private _channels;
    /// How many pull channels a payer opened with a provider; the newest one's salt.
    mapping(address payer => mapping(address provider => uint256)) public pullChannels;
    /// What a provider may pay out.
    mapping(address provider => uint128) public earned;
    mapping(address provider => Settler) private _settlers;
    /// Where anyone may send a provider's earnings; 0 if unset.
    mapping(address provider => address) public payoutAddress;
    mapping(address provider => mapping(address user => Trial)) private _trials;
    mapping(address payer => mapping(bytes32 nonce => bool)) public permitUsed;

    constructor(IERC20Metadata token_, uint64 closeDelay_) EIP712("decloud", "1") {
        uint8 decimals = token_.decimals();
        if (decimals != 6) revert DecimalsNotSix(decimals);
        if (closeDelay_ < MIN_CLOSE_DELAY || closeDelay_ > MAX_CLOSE_DELAY) revert CloseDelayOutOfRange(closeDelay_);
        token = token_;
        closeDelay = closeDelay_;
    }

    // Money in and out.

    function deposit(uint128 amount) external {
        depositFor(msg.sender, amount);
    }

    /// Adds the caller's tokens to the free money of `beneficiary`.
    function depositFor(address beneficiary, uint128 amount) public nonReentrant {
        uint256 before = _beforeDeposit(beneficiary, amount);
        token.safeTransferFrom(msg.sender, address(this), amount);
        _afterDeposit(msg.sender, beneficiary, amount, before);
    }

    /// Adds tokens of `from` by its EIP-3009 authorization, whose nonce is depositNonce(beneficiary, salt):
    /// whoever sends it cannot turn the money to somebody else.
    function depositWithAuthorization(
        address from,
        address beneficiary,
        uint128 amount,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 salt,
        bytes calldata signature
    ) external nonReentrant {
        uint256 before = _beforeDeposit(beneficiary, amount);
        bytes32 nonce = depositNonce(beneficiary, salt);
        IReceiveWithAuthorization(address(token)).receiveWithAuthorization(
            from, address(this), amount, validAfter, validBefore, nonce, signature
        );
        _afterDeposit(from, beneficiary, amount, before);
    }

    /// Sends free money to the caller.
    function withdraw(uint128 amount) external {
        withdrawTo(msg.sender, amount);
    }

    /// Sends the caller's free money to `to`, for accounts that the token refuses.
    function withdrawTo(address to, uint128 amount) public nonReentrant {
        if (to == address(0)) revert AddressMissing();
        _takeFree(msg.sender, amount);
        held -= amount;
        emit Withdrawn(msg.sender, to, amount);
        token.safeTransfer(to, amount);
    }

    // What payers do with channels.

    /// Moves `budget` from free to reserved. Adds to the open pull channel if the price is the same; else
    /// opens the next one, and an older one starts to close.
    function approve(address provider, uint128 price, uint128 budget) external returns (bytes32 id) {
        if (provider == address(0)) revert AddressMissing();
        uint256 count = pullChannels[msg.sender][provider];
        if (count != 0) {
            id = _pullId(msg.sender, provider, count);
            Channel storage newest = _channels[id];
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
    }

    /// Moves the caller's free money into one of its channels that is neither closing nor final.
    function increase(bytes32 id, uint128 amount) external {
        Channel storage channel_ = _channelOf(id, msg.sender);
        if (channel_.finalized) revert ChannelFinalized(id);
        if (channel_.closeAt != 0) revert ChannelClosing(id, channel_.closeAt);
        _increase(id, channel_, amount);
    }

    /// Starts the close delay. The provider can claim until the channel is final.
    function requestClose(bytes32 id) external {
        Channel storage channel_ = _channelOf(id, msg.sender);
        if (channel_.finalized) revert ChannelFinalized(id);
        if (channel_.closeAt != 0) revert ChannelClosing(id, channel_.closeAt);
        _startClose(id, channel_);
    }

    /// After the close delay: gives the remainder back to the payer, for good. Anyone may send it.
    function finalizeClose(bytes32 id) external {
        Channel storage channel_ = _channels[id];
        if (channel_.payer == address(0)) revert ChannelUnknown(id);
        if (channel_.finalized) revert ChannelFinalized(id);
        uint64 closeAt = channel_.closeAt;
        if (closeAt == 0) revert ChannelNotClosing(id);
        if (block.timestamp < closeAt) revert CloseTooEarly(id, closeAt);
        channel_.finalized = true;
        uint128 freed = channel_.reserved - channel_.claimed;
        free[channel_.payer] += freed;
        emit ChannelFinal(id, channel_.payer, channel_.provider, freed);
    }

    // What providers and their settlers do.

    /// Charges one call on a pull channel if exactly `callsBefore` calls were charged before it. Returns
    /// false, with RowSkipped, if it changed nothing.
    function consume(bytes32 id, uint128 price, uint64 callsBefore) external returns (bool) {
        return _finishRow(id, _consumeOne(id, price, callsBefore));
    }

    /// As consume, with the payer's authorisation of this very call, which is used up by it.
    function consumeWithPermit(
        bytes32 id,
        uint128 price,
        uint64 callsBefore,
        CallAuthorization calldata permit,
        bytes calldata signature
    ) external returns (bool) {
        SkipReason reason = _checkPermit(_channels[id], price, permit, signature);
        if (reason == SkipReason.None) {
            reason = _consumeOne(id, price, callsBefore);
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

    /// Gives `user` more free calls, usable until `expires`, which replaces the earlier end. 0 calls with a
    /// past end revokes.
    function grantTrial(address user, uint64 calls, uint64 expires) external {
        if (user == address(0)) revert AddressMissing();
        Trial storage trial = _trials[msg.sender][user];
        trial.granted += calls;
        trial.expires = expires;
        emit TrialGranted(msg.sender, user, trial.granted, expires);
    }

    /// Records used trial calls. Moves no money; calls served before the end may be recorded after it. A row
    /// that is not larger, or above what was granted, is skipped with TrialSkipped.
    function consumeTrials(address provider, TrialRow[] calldata rows) external returns (uint256 applied) {
        if (!isSettler(provider, msg.sender)) revert NotSettler(provider, msg.sender);
        for (uint256 i = 0; i < rows.length; i++) {
            address user = rows[i].user;
            uint64 used = rows[i].cumulativeUsed;
            Trial storage trial = _trials[provider][user];
            if (used <= trial.used) {
                emit TrialSkipped(provider, user, SkipReason.NotNewer);
            } else if (used > trial.granted) {
                emit TrialSkipped(provider, user, SkipReason.AboveGranted);
            } else {
                trial.used = used;
                applied++;
                emit TrialConsumed(provider, user, used);
            }
        }
    }

    /// Lets `account` settle for the caller until `expires`; replaces the one before, at once.
    function setSettler(address account, uint64 expires) external {
        _settlers[msg.sender] = Settler(account, expires);
        emit SettlerSet(msg.sender, account, expires);
    }

    /// Fixes where anyone may send the caller's earnings; 0 removes it.
    function setPayout(address to) external {
        payoutAddress[msg.sender] = to;
        emit PayoutSet(msg.sender, to);
    }

    /// Sends all that the caller earned to `to`.
    function payout(address to) external {
        _payout(msg.sender, to);
    }

    /// Sends all that `provider` earned to the address it fixed. Anyone may send it.
    function payoutFor(address provider) external {
        address to = payoutAddress[provider];
        if (to == address(0)) revert PayoutUnset(provider);
        _payout(provider, to);
    }

    // Views.

    /// All fields of a channel; all zero if it does not exist.
    function channel(bytes32 id) external view returns (Channel memory) {
        return _channels[id];
    }

    /// The newest pull channel if it is open and not closing.
    function allowance(address payer, address provider) external view returns (Allowance memory found) {
        uint256 count = pullChannels[payer][provider];
        if (count == 0) return found;
        bytes32 id = _pullId(payer, provider, count);
        Channel storage c = _channels[id];
        if (c.closeAt != 0) return found;
        found = Allowance(id, c.price, c.reserved - c.claimed, c.reserved, c.claimed, c.calls);
    }

    function trialOf(address provider, address user) external view returns (Trial memory) {
        return _trials[provider][user];
    }

    function settlerOf(address provider) external view returns (Settler memory) {
        return _settlers[provider];
    }

    /// True if `account` may consume for `provider` now.
    function isSettler(address provider, address account) public view returns (bool) {
        if (account == provider) return true;
        Settler storage settler = _settlers[provider];
        return settler.account == account && block.timestamp < settler.expires;
    }

    /// The id of a channel, by the formula of MPP's evm-session. Pull channels have signer 0 and count salts
    /// from 1.
    function channelId(address payer, address provider, bytes32 salt, address signer) public view returns (bytes32) {
        return keccak256(abi.encode(payer, provider, address(token), salt, signer, address(this), block.chainid));
    }

    /// The EIP-3009 nonce that binds an authorised deposit to its beneficiary.
    function depositNonce(address beneficiary, bytes32 salt) public pure returns (bytes32) {
        return keccak256(abi.encode(beneficiary, salt));
    }

    function domainSeparator() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    function deploymentDigest(Deployment calldata value) external view returns (bytes32) {
        return _hashTypedDataV4(SignedStructs.hash(value));
    }

    function callAuthorizationDigest(CallAuthorization calldata value) external view returns (bytes32) {
        return _hashTypedDataV4(SignedStructs.hash(value));
    }

    function delegationDigest(Delegation calldata value) external view returns (bytes32) {
        return _hashTypedDataV4(SignedStructs.hash(value));
    }

    function revocationDigest(Revocation calldata value) external view returns (bytes32) {
        return _hashTypedDataV4(SignedStructs.hash(value));
    }

    // Inside.

    function _beforeDeposit(address beneficiary, uint128 amount) private view returns (uint256) {
        if (beneficiary == address(0)) revert AddressMissing();
        if (amount == 0) revert AmountMissing();
        return token.balanceOf(address(this));
    }

    function _afterDeposit(address from, address beneficiary, uint128 amount, uint256 before) private {
        uint256 received = token.balanceOf(address(this)) - before;
        if (received != amount) revert AmountUnexpected(amount, received);
        held += amount;
        free[beneficiary] += amount;
        emit Deposited(beneficiary, from, amount);
    }

    function _takeFree(address account, uint128 amount) private {
        if (amount == 0) revert AmountMissing();
        uint128 available = free[account];
        if (available < amount) revert FreeTooLow(available, amount);
        free[account] = available - amount;
    }

    function _payout(address provider, address to) private nonReentrant {
        if (to == address(0)) revert AddressMissing();
        uint128 amount = earned[provider];
        if (amount == 0) revert AmountMissing();
        earned[provider] = 0;
        held -= amount;
        emit Paid(provider, to, amount);
        token.safeTransfer(to, amount);
    }

    function _pullId(address payer, address provider, uint256 count) private view returns (bytes32) {
        return channelId(payer, provider, bytes32(count), address(0));
    }

    function _channelOf(bytes32 id, address payer) private view returns (Channel storage channel_) {
        channel_ = _channels[id];
        if (channel_.payer == address(0)) revert ChannelUnknown(id);
        if (channel_.payer != payer) revert NotPayer(id, payer);
    }

    function _open(address provider, address signer, bytes32 salt, uint128 price, uint128 budget)
        private
        returns (bytes32 id)
    {
        _takeFree(msg.sender, budget);
        id = channelId(msg.sender, provider, salt, signer);
        Channel storage channel_ = _channels[id];
        if (channel_.payer != address(0)) revert ChannelExists(id);
        channel_.payer = msg.sender;
        channel_.openedAt = uint64(block.timestamp);
        channel_.provider = provider;
        channel_.price = price;
        channel_.reserved = budget;
        channel_.signer = signer;
        emit ChannelOpened(id, msg.sender, provider, signer, salt, price, budget);
    }

    function _increase(bytes32 id, Channel storage channel_, uint128 amount) private {
        _takeFree(msg.sender, amount);
        uint128 reserved = channel_.reserved + amount;
        channel_.reserved = reserved;
        emit ChannelIncreased(id, amount, reserved);
    }

    function _startClose(bytes32 id, Channel storage channel_) private {
        uint64 closeAt = uint64(block.timestamp) + closeDelay;
        channel_.closeAt = closeAt;
        emit CloseRequested(id, channel_.payer, channel_.provider, closeAt);
    }

    function _finishRow(bytes32 id, SkipReason reason) private returns (bool applied) {
        applied = reason == SkipReason.None;
        if (!applied) emit RowSkipped(id, msg.sender, reason);
    }

    function _consumeOne(bytes32 id, uint128 price, uint64 callsBefore) private returns (SkipReason) {
        Channel storage channel_ = _channels[id];
        SkipReason reason = _checkPull(channel_);
        if (reason != SkipReason.None) return reason;
        if (callsBefore != channel_.calls || callsBefore == type(uint64).max) return SkipReason.CallsMismatch;
        if (price > channel_.price) return SkipReason.AbovePrice;
        uint128 claimed = channel_.claimed;
        if (price > channel_.reserved - claimed) return SkipReason.AboveReserved;
        _claim(id, channel_, callsBefore + 1, claimed + price, price);
        return SkipReason.None;
    }

    function _consumeRow(bytes32 id, uint64 calls, uint128 amount) private returns (SkipReason) {
        Channel storage channel_ = _channels[id];
        SkipReason reason = _checkPull(channel_);
        if (reason != SkipReason.None) return reason;
        uint128 claimed = channel_.claimed;
        uint64 before = channel_.calls;
        if (calls < before || amount < claimed || (calls == before && amount == claimed)) return SkipReason.NotNewer;
        if (amount - claimed > uint256(channel_.price) * (calls - before)) return SkipReason.AbovePrice;
        if (amount > channel_.reserved) return SkipReason.AboveReserved;
        _claim(id, channel_, calls, amount, amount - claimed);
        return SkipReason.None;
    }

    function _checkPull(Channel storage channel_) private view returns (SkipReason) {
        address provider = channel_.provider;
        if (provider == address(0)) return SkipReason.UnknownChannel;
        if (!isSettler(provider, msg.sender)) return SkipReason.NotAuthorised;
        if (channel_.finalized) return SkipReason.Finalized;
        if (channel_.signer != address(0)) return SkipReason.NotPull;
        return SkipReason.None;
    }

    function _claim(bytes32 id, Channel storage channel_, uint64 calls, uint128 claimed, uint128 delta) private {
        address provider = channel_.provider;
        channel_.calls = calls;
        channel_.claimed = claimed;
        earned[provider] += delta;
        emit Consumed(id, provider, calls, claimed);
    }

    function _checkPermit(
        Channel storage channel_,
        uint128 price,
        CallAuthorization calldata permit,
        bytes calldata signature
    ) private view returns (SkipReason) {
        address payer = channel_.payer;
        if (payer == address(0)) return SkipReason.UnknownChannel;
        if (permit.payer != payer || permit.provider != channel_.provider) return SkipReason.PermitMismatch;
        if (price > permit.maxPrice) return SkipReason.PermitAbovePrice;
        if (block.timestamp >= permit.validBefore) return SkipReason.PermitExpired;
        if (permitUsed[payer][permit.nonce]) return SkipReason.PermitUsed;
        bytes32 digest = _hashTypedDataV4(SignedStructs.hash(permit));
        (address signer, ECDSA.RecoverError failure,) = ECDSA.tryRecoverCalldata(digest, signature);
        if (failure != ECDSA.RecoverError.NoError || signer != payer) return SkipReason.PermitSignature;
        return SkipReason.None;
    }
}
