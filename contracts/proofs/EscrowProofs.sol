// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {Escrow} from "../src/Escrow.sol";
import {EscrowStorage} from "../src/EscrowStorage.sol";
import {CallAuthorization} from "../src/SignedStructs.sol";
import {Vm} from "../tests/Base.sol";

/// Halmos' cheat codes.
interface Svm {
    function enableSymbolicStorage(address target) external;
    function createBytes(uint256 size, string calldata name) external returns (bytes memory);
}

/// A token as the escrow expects it; anybody's authorization is taken.
contract ProofToken is ERC20("Proof", "PROOF") {
    function decimals() public pure override returns (uint8) {
        return 6;
    }

    function receiveWithAuthorization(address from, address to, uint256 value, uint256, uint256, bytes32, bytes calldata)
        external
    {
        _transfer(from, to, value);
    }
}

/// The escrow, with what is stored to be seen.
contract ProofEscrow is Escrow {
    constructor(IERC20Metadata token_) Escrow(token_, 1 days) {}

    function stored(bytes32 id) external view returns (StoredChannel memory) {
        return _channels[id];
    }
}

/// The money rules as steps: whatever is stored, as far as the rules hold for it, and whoever calls with
/// whatever arguments, they hold afterwards. Run by Halmos; each check is for all values of its parameters.
contract EscrowProofs {
    Vm private constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    Svm private constant svm = Svm(address(uint160(uint256(keccak256("svm cheat code")))));

    ProofToken private token;
    ProofEscrow private escrow;

    /// What the rules are about: one channel with its two sides, and any other account and channel.
    struct Books {
        EscrowStorage.StoredChannel channel;
        EscrowStorage.StoredChannel otherChannel;
        uint256 held;
        uint256 free;
        uint256 earned;
        uint256 otherFree;
        uint256 otherEarned;
        uint256 balance;
    }

    struct Subject {
        bytes32 id;
        address payer;
        address provider;
        bytes32 otherId;
        address other;
    }

    function setUp() public {
        token = new ProofToken();
        escrow = new ProofEscrow(token);
        svm.enableSymbolicStorage(address(token));
        svm.enableSymbolicStorage(address(escrow));
    }

    function check_deposit(Subject memory s, address caller, uint128 amount) public {
        Books memory before = open(s);
        vm.assume(caller != address(escrow));
        vm.prank(caller);
        escrow.depositFor(s.payer, amount);
        Books memory later = look(s);
        sameChannel(before, later);
        assert(later.held == before.held + amount && later.free == before.free + amount);
        assert(later.balance == before.balance + amount && later.earned == before.earned);
        others(before, later);
    }

    function check_depositWithAuthorization(Subject memory s, address caller, address from, uint128 amount) public {
        Books memory before = open(s);
        bytes memory signature = svm.createBytes(65, "signature");
        vm.prank(caller);
        escrow.depositWithAuthorization(from, s.payer, amount, 0, 0, "salt", signature);
        Books memory later = look(s);
        sameChannel(before, later);
        assert(later.held == before.held + amount && later.free == before.free + amount);
        assert(later.balance == before.balance + amount && later.earned == before.earned);
        others(before, later);
    }

    function check_withdraw(Subject memory s, address to, uint128 amount) public {
        Books memory before = open(s);
        vm.assume(to != address(escrow));
        vm.prank(s.payer);
        escrow.withdrawTo(to, amount);
        Books memory later = look(s);
        sameChannel(before, later);
        assert(later.held == before.held - amount && later.free == before.free - amount);
        assert(later.balance == before.balance - amount && later.earned == before.earned);
        others(before, later);
    }

    function check_payout(Subject memory s, address to) public {
        Books memory before = open(s);
        vm.assume(to != address(escrow));
        vm.prank(s.provider);
        escrow.payout(to);
        paidOut(s, before);
    }

    function check_payoutFor(Subject memory s, address caller) public {
        Books memory before = open(s);
        vm.assume(escrow.payoutAddress(s.provider) != address(escrow));
        vm.prank(caller);
        escrow.payoutFor(s.provider);
        paidOut(s, before);
    }

    function check_approve(Subject memory s, uint128 price, uint128 budget) public {
        Books memory before = open(s);
        uint256 count = escrow.pullChannels(s.payer, s.provider);
        EscrowStorage.StoredChannel memory newest =
            escrow.stored(escrow.channelId(s.payer, s.provider, bytes32(count), address(0)));
        // What is counted was opened, by these two and without a signer: the id says so.
        vm.assume(count == 0 || (newest.payer == s.payer && newest.provider == s.provider));
        vm.assume(count == 0 || (newest.signer == address(0) && wellFormed(newest)));
        vm.prank(s.payer);
        bytes32 id = escrow.approve(s.provider, price, budget);
        vm.assume(id == s.id);
        reserved(before, look(s), budget);
    }

    function check_approve_with_a_signer(
        Subject memory s,
        uint128 price,
        uint128 budget,
        address signer,
        bytes32 salt
    ) public {
        Books memory before = open(s);
        vm.prank(s.payer);
        bytes32 id = escrow.approve(s.provider, price, budget, signer, salt);
        vm.assume(id == s.id);
        Books memory later = look(s);
        assert(before.channel.payer == address(0));
        assert(later.channel.signer == signer && signer != address(0));
        reserved(before, later, budget);
    }

    function check_increase(Subject memory s, address caller, uint128 amount) public {
        Books memory before = open(s);
        vm.prank(caller);
        escrow.increase(s.id, amount);
        assert(caller == s.payer && before.channel.closeAt == 0 && !before.channel.finalized);
        reserved(before, look(s), amount);
    }

    function check_requestClose(Subject memory s, address caller) public {
        Books memory before = open(s);
        vm.prank(caller);
        escrow.requestClose(s.id);
        Books memory later = look(s);
        assert(caller == s.payer);
        assert(later.channel.closeAt == uint64(block.timestamp) + 1 days);
        sameMoney(before, later);
        others(before, later);
    }

    function check_finalizeClose(Subject memory s, address caller) public {
        Books memory before = open(s);
        vm.prank(caller);
        escrow.finalizeClose(s.id);
        Books memory later = look(s);
        assert(before.channel.closeAt != 0 && block.timestamp >= before.channel.closeAt);
        assert(later.earned == before.earned && claimedOf(later.channel) == claimedOf(before.channel));
        finished(before, later);
    }

    /// Nobody but the payer can put off the moment from which anyone may finalize, and not even it can.
    function check_a_closing_channel_can_be_finalized_in_time(Subject memory s, address caller) public {
        Books memory before = open(s);
        vm.assume(before.channel.payer != address(0) && !before.channel.finalized);
        vm.assume(before.channel.closeAt != 0 && block.timestamp >= before.channel.closeAt);
        uint256 remaining = reservedOf(before.channel) - claimedOf(before.channel);
        vm.assume(before.free + remaining <= type(uint128).max);
        vm.prank(caller);
        (bool done,) = address(escrow).call(abi.encodeWithSignature("finalizeClose(bytes32)", s.id));
        assert(done);
    }

    function check_release_at_what_was_claimed(Subject memory s, address caller) public {
        Books memory before = open(s);
        release(s, before, caller, uint128(claimedOf(before.channel)));
    }

    function check_release_of_more(Subject memory s, address caller, uint128 finalAmount) public {
        Books memory before = open(s);
        vm.assume(before.channel.signer != address(0) && finalAmount != before.channel.claimed);
        release(s, before, caller, finalAmount);
    }

    function check_a_pull_channel_is_not_released_at_more(Subject memory s, address caller, uint128 finalAmount) public {
        Books memory before = open(s);
        vm.assume(before.channel.signer == address(0) && finalAmount != before.channel.pullClaimed);
        bytes memory signature = svm.createBytes(65, "signature");
        vm.prank(caller);
        (bool done,) = address(escrow).call(
            abi.encodeWithSignature("release(bytes32,uint128,bytes)", s.id, finalAmount, signature)
        );
        assert(!done);
    }

    function check_consume(Subject memory s, address caller, uint128 price, uint64 callsBefore) public {
        Books memory before = open(s);
        vm.prank(caller);
        bool done = escrow.consume(s.id, price, callsBefore);
        Books memory later = look(s);
        assert(done == (later.channel.calls != before.channel.calls));
        if (done) {
            assert(before.channel.signer == address(0) && price <= before.channel.price);
            assert(before.channel.calls == callsBefore && later.channel.calls == callsBefore + 1);
            assert(claimedOf(later.channel) == claimedOf(before.channel) + price);
        }
        claimed(s, before, later, caller);
    }

    function check_consumeWithPermit(
        Subject memory s,
        address caller,
        uint128 price,
        uint64 callsBefore,
        CallAuthorization memory permit
    ) public {
        Books memory before = open(s);
        bool used = escrow.permitUsed(permit.payer, permit.nonce);
        bytes memory signature = svm.createBytes(65, "signature");
        vm.prank(caller);
        bool done = escrow.consumeWithPermit(s.id, price, callsBefore, permit, signature);
        Books memory later = look(s);
        assert(done == (later.channel.calls != before.channel.calls));
        assert(escrow.permitUsed(permit.payer, permit.nonce) == (used || done));
        if (done) {
            assert(!used && permit.payer == s.payer && permit.provider == s.provider);
            assert(price <= permit.maxPrice && price <= before.channel.price);
            assert(claimedOf(later.channel) == claimedOf(before.channel) + price);
        }
        claimed(s, before, later, caller);
    }

    function check_consumeBatch(Subject memory s, address caller, uint64 calls, uint128 amount) public {
        Books memory before = open(s);
        EscrowStorage.ConsumeRow[] memory rows = new EscrowStorage.ConsumeRow[](1);
        (rows[0].id, rows[0].cumulativeCalls, rows[0].cumulativeAmount) = (s.id, calls, amount);
        vm.prank(caller);
        bool done = escrow.consumeBatch(rows) == 1;
        Books memory later = look(s);
        if (done) {
            assert(before.channel.signer == address(0));
            assert(claimedOf(later.channel) == amount && later.channel.calls == calls);
        }
        claimed(s, before, later, caller);
    }

    function check_claimBatch(Subject memory s, address caller, uint128 cumulative, uint128 amount) public {
        Books memory before = open(s);
        EscrowStorage.ClaimRow[] memory rows = new EscrowStorage.ClaimRow[](1);
        (rows[0].id, rows[0].cumulative, rows[0].amount) = (s.id, cumulative, amount);
        rows[0].signature = svm.createBytes(65, "signature");
        vm.prank(caller);
        bool done = escrow.claimBatch(rows) == 1;
        Books memory later = look(s);
        assert(later.channel.calls == before.channel.calls);
        if (done) {
            assert(before.channel.signer != address(0) && amount <= cumulative);
            assert(claimedOf(later.channel) == amount && amount > claimedOf(before.channel));
        }
        claimed(s, before, later, caller);
    }

    // The rules.

    /// Any state in which the rules hold for the subject.
    function open(Subject memory s) private view returns (Books memory books) {
        vm.assume(s.id != s.otherId && s.other != s.payer && s.other != s.provider && s.payer != s.provider);
        vm.assume(s.payer != address(0) && s.provider != address(0));
        vm.assume(block.timestamp <= type(uint64).max - 1 days);
        books = look(s);
        EscrowStorage.StoredChannel memory c = books.channel;
        vm.assume(wellFormed(c));
        vm.assume(c.payer == address(0) || (c.payer == s.payer && c.provider == s.provider));
        uint256 owed = books.free + books.earned + books.otherFree + books.otherEarned + remainingOf(c);
        vm.assume(owed <= books.held && books.held <= books.balance && books.held <= type(uint128).max);
    }

    function wellFormed(EscrowStorage.StoredChannel memory c) private pure returns (bool) {
        if (c.payer == address(0)) {
            return c.provider == address(0) && c.signer == address(0) && c.pullClaimed == 0 && c.pullReserved == 0
                && c.claimed == 0 && c.reserved == 0 && c.calls == 0 && !c.finalized && !c.unclaimable && c.closeAt == 0
                && c.claimant == address(0);
        }
        if (claimedOf(c) > reservedOf(c) || (c.finalized && c.closeAt == 0)) return false;
        if (c.signer == address(0)) {
            return c.claimed == 0 && c.reserved == 0 && !c.unclaimable && c.claimant == address(0);
        }
        return c.claimant == c.provider && c.unclaimable == c.finalized && c.pullClaimed == 0 && c.pullReserved == 0;
    }

    function look(Subject memory s) private view returns (Books memory) {
        return Books({
            channel: escrow.stored(s.id),
            otherChannel: escrow.stored(s.otherId),
            held: escrow.held(),
            free: escrow.free(s.payer),
            earned: escrow.earned(s.provider),
            otherFree: escrow.free(s.other),
            otherEarned: escrow.earned(s.other),
            balance: token.balanceOf(address(escrow))
        });
    }

    function claimedOf(EscrowStorage.StoredChannel memory c) private pure returns (uint256) {
        return c.signer == address(0) ? c.pullClaimed : c.claimed;
    }

    function reservedOf(EscrowStorage.StoredChannel memory c) private pure returns (uint256) {
        return c.signer == address(0) ? c.pullReserved : c.reserved;
    }

    function remainingOf(EscrowStorage.StoredChannel memory c) private pure returns (uint256) {
        return c.finalized ? 0 : reservedOf(c) - claimedOf(c);
    }

    /// Nothing of any other account or channel but a start of its close changes.
    function others(Books memory before, Books memory later) private pure {
        assert(later.otherFree == before.otherFree && later.otherEarned == before.otherEarned);
        EscrowStorage.StoredChannel memory a = before.otherChannel;
        EscrowStorage.StoredChannel memory b = later.otherChannel;
        assert(a.payer == b.payer && a.provider == b.provider && a.signer == b.signer && a.claimant == b.claimant);
        assert(a.pullClaimed == b.pullClaimed && a.pullReserved == b.pullReserved && a.claimed == b.claimed);
        assert(a.reserved == b.reserved && a.calls == b.calls && a.finalized == b.finalized);
        assert(a.unclaimable == b.unclaimable && a.price == b.price);
    }

    /// Rules 1 to 4 for a step that moves no token.
    function step(Books memory before, Books memory later) private pure {
        assert(wellFormed(later.channel));
        assert(later.held == before.held && later.balance == before.balance);
        uint256 owed = before.free + before.earned + remainingOf(before.channel);
        assert(later.free + later.earned + remainingOf(later.channel) == owed);
        assert(claimedOf(later.channel) >= claimedOf(before.channel) && later.channel.calls >= before.channel.calls);
        others(before, later);
    }

    function sameMoney(Books memory before, Books memory later) private pure {
        step(before, later);
        assert(later.free == before.free && later.earned == before.earned);
        assert(claimedOf(later.channel) == claimedOf(before.channel));
        assert(reservedOf(later.channel) == reservedOf(before.channel));
    }

    function sameChannel(Books memory before, Books memory later) private pure {
        assert(claimedOf(later.channel) == claimedOf(before.channel));
        assert(reservedOf(later.channel) == reservedOf(before.channel));
        assert(later.channel.finalized == before.channel.finalized && later.channel.calls == before.channel.calls);
    }

    function paidOut(Subject memory s, Books memory before) private view {
        Books memory later = look(s);
        sameChannel(before, later);
        assert(later.earned == 0 && later.free == before.free);
        assert(later.held == before.held - before.earned && later.balance == before.balance - before.earned);
        others(before, later);
    }

    function reserved(Books memory before, Books memory later, uint256 amount) private pure {
        step(before, later);
        assert(!before.channel.finalized && later.free == before.free - amount && later.earned == before.earned);
        assert(reservedOf(later.channel) == reservedOf(before.channel) + amount);
    }

    function finished(Books memory before, Books memory later) private pure {
        step(before, later);
        assert(!before.channel.finalized && later.channel.finalized);
        assert(later.earned - before.earned == claimedOf(later.channel) - claimedOf(before.channel));
        assert(reservedOf(later.channel) == reservedOf(before.channel));
    }

    /// The same rules as `step`, each sum by its parts: what leaves the reserve is split between the two sides.
    function release(Subject memory s, Books memory before, address caller, uint128 finalAmount) private {
        bytes memory signature = svm.createBytes(65, "signature");
        vm.prank(caller);
        escrow.release(s.id, finalAmount, signature);
        Books memory later = look(s);
        EscrowStorage.StoredChannel memory c = later.channel;
        bool pull = before.channel.signer == address(0);
        uint128 claimedBefore = pull ? before.channel.pullClaimed : before.channel.claimed;
        uint128 reservedBefore = pull ? before.channel.pullReserved : before.channel.reserved;
        assert(!before.channel.finalized && c.finalized && c.closeAt != 0);
        assert(finalAmount >= claimedBefore && finalAmount <= reservedBefore);
        assert((pull ? c.pullClaimed : c.claimed) == finalAmount);
        assert((pull ? c.pullReserved : c.reserved) == reservedBefore);
        assert(c.unclaimable == !pull && c.calls == before.channel.calls);
        unchecked {
            assert(later.earned == before.earned + (finalAmount - claimedBefore));
            assert(later.free == before.free + (reservedBefore - finalAmount));
        }
        assert(later.held == before.held && later.balance == before.balance);
        others(before, later);
    }

    /// A charge: from the channel to its provider, never from what is free, and only by who settles for it.
    function claimed(Subject memory s, Books memory before, Books memory later, address caller) private view {
        step(before, later);
        uint256 delta = claimedOf(later.channel) - claimedOf(before.channel);
        assert(later.free == before.free && later.earned - before.earned == delta);
        assert(reservedOf(later.channel) == reservedOf(before.channel));
        assert(later.channel.finalized == before.channel.finalized);
        if (delta != 0) assert(!before.channel.finalized && escrow.isSettler(s.provider, caller));
    }
}
