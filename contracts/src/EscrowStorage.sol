// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

/// What the escrow knows, says and keeps, and what all of its parts do with it. All state is here, so that no
/// part moves it: contracts/README.md has the slots, and tests pin them.
abstract contract EscrowStorage is EIP712, ReentrancyGuardTransient {
    /// Money reserved by one payer for one provider at one price. `signer` is 0 for a pull channel, on which
    /// the provider consumes by itself; on the others the signer's vouchers say how much may be claimed. The
    /// remainder of a final channel went back to the payer.
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

    /// A channel as it is kept. With a signer, its money is in the last two words: they are all that a claim
    /// reads and writes, and never zero, so that a row costs little, also the first one.
    struct StoredChannel {
        address payer;
        uint64 openedAt;
        address provider;
        uint64 closeAt;
        bool finalized;
        uint128 pullClaimed;
        uint64 calls;
        uint128 price;
        uint128 pullReserved;
        address signer;
        uint88 claimed;
        bool unclaimable;
        address claimant;
        uint88 reserved;
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

    /// A voucher and how much of it to take: `amount` is what the channel will have paid in all, at most
    /// `cumulative`, which the signer signed.
    struct ClaimRow {
        bytes32 id;
        uint128 cumulative;
        uint128 amount;
        bytes signature;
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
        AboveGranted,
        PullChannel,
        AboveCumulative,
        VoucherSignature
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
    /// By vouchers or by a release; `claimed` is the channel's total after it.
    event Claimed(bytes32 indexed id, address indexed provider, uint128 claimed);
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
    error SignerMissing();
    error SignerHasCode(address signer);
    error AmountTooLarge(uint128 amount, uint128 most);
    error FinalAmountOutOfRange(bytes32 id, uint128 claimed, uint128 reserved);
    error FinalAmountNotAgreed(bytes32 id, address caller, address signer);

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
    mapping(bytes32 id => StoredChannel) internal _channels;
    /// How many pull channels a payer opened with a provider; the newest one's salt.
    mapping(address payer => mapping(address provider => uint256)) public pullChannels;
    /// What a provider may pay out.
    mapping(address provider => uint128) public earned;
    mapping(address provider => Settler) internal _settlers;
    /// Where anyone may send a provider's earnings; 0 if unset.
    mapping(address provider => address) public payoutAddress;
    // grantTrial and consumeTrials write it, through references to its entries.
    // slither-disable-next-line uninitialized-state
    mapping(address provider => mapping(address user => Trial)) internal _trials;
    mapping(address payer => mapping(bytes32 nonce => bool)) public permitUsed;

    /// True if `account` may consume, claim and release for `provider` now.
    function isSettler(address provider, address account) public view returns (bool) {
        if (account == provider) return true;
        Settler storage settler = _settlers[provider];
        // Some seconds of a block's time do not matter here: a settler cannot pay out.
        // slither-disable-next-line timestamp
        return settler.account == account && block.timestamp < settler.expires;
    }

    function _takeFree(address account, uint128 amount) internal {
        if (amount == 0) revert AmountMissing();
        uint128 available = free[account];
        if (available < amount) revert FreeTooLow(available, amount);
        free[account] = available - amount;
    }

    /// What was claimed of a channel and what is reserved for it, of either kind.
    function _moneyOf(StoredChannel storage channel_) internal view returns (uint128 claimed, uint128 reserved) {
        if (channel_.signer == address(0)) return (channel_.pullClaimed, channel_.pullReserved);
        return (channel_.claimed, channel_.reserved);
    }

    /// Moves money of a channel to its provider: `claimed` is at least what was claimed before, at most what
    /// is reserved.
    function _setClaimed(StoredChannel storage channel_, uint128 before, uint128 claimed) internal {
        // Claims of a channel with a signer are at most its reserve, which fits 88 bits.
        if (channel_.signer == address(0)) channel_.pullClaimed = claimed;
        else channel_.claimed = uint88(claimed);
        earned[channel_.provider] += claimed - before;
    }

    /// The account that signed `digest`; 0 unless the signature has 65 bytes and a low s.
    function _signerOf(bytes32 digest, bytes calldata signature) internal pure returns (address) {
        // What is left out is a detail of the failure.
        // slither-disable-next-line unused-return
        (address signer, ECDSA.RecoverError failure,) = ECDSA.tryRecoverCalldata(digest, signature);
        return failure == ECDSA.RecoverError.NoError ? signer : address(0);
    }

    function _finishRow(bytes32 id, SkipReason reason) internal returns (bool applied) {
        applied = reason == SkipReason.None;
        if (!applied) emit RowSkipped(id, msg.sender, reason);
    }
}
