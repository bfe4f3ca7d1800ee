// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Escrow} from "../src/Escrow.sol";
import {EscrowStorage} from "../src/EscrowStorage.sol";
import {CallAuthorization} from "../src/SignedStructs.sol";
import {TestUSDC} from "../src/TestUSDC.sol";
import {Base} from "./Base.sol";

/// Does random but possible things with one escrow, and remembers what must hold afterwards.
contract EscrowHandler is Base {
    TestUSDC public immutable usdc;
    Escrow public immutable escrow;

    uint256[] private _payerKeys = [0xa1, 0xa2, 0xa3];
    address[] public payers;
    address[] public providers = [address(0xb1), address(0xb2)];
    bytes32[] public ids;
    mapping(bytes32 => bool) public known;
    /// The state of each channel after the last step.
    mapping(bytes32 => EscrowStorage.Channel) private _seen;
    /// The most that the payer's side signed for each channel with a signer: vouchers, and permits besides.
    mapping(bytes32 => uint256) public vouched;
    mapping(bytes32 => uint256) public permitted;
    uint256 private constant SIGNER_KEY = 0x51;
    uint256 public donated;
    uint256 public deposited;
    uint256 public withdrawn;
    uint256 public paid;
    uint256 public applied;
    bool public broken;

    constructor(TestUSDC usdc_, Escrow escrow_) {
        usdc = usdc_;
        escrow = escrow_;
        for (uint256 i = 0; i < _payerKeys.length; i++) payers.push(vm.addr(_payerKeys[i]));
    }

    modifier watched() {
        _;
        for (uint256 i = 0; i < ids.length; i++) {
            EscrowStorage.Channel memory c = escrow.channel(ids[i]);
            EscrowStorage.Channel memory before = _seen[ids[i]];
            if (c.claimed < before.claimed || c.calls < before.calls || c.reserved < before.reserved) broken = true;
            if (before.finalized && (!c.finalized || c.claimed != before.claimed || c.reserved != before.reserved)) {
                broken = true;
            }
            if (before.closeAt != 0 && (c.closeAt != before.closeAt || c.reserved != before.reserved)) broken = true;
            _seen[ids[i]] = c;
        }
    }

    function count() external view returns (uint256) {
        return ids.length;
    }

    function payerCount() external view returns (uint256) {
        return payers.length;
    }

    function providerCount() external view returns (uint256) {
        return providers.length;
    }

    function deposit(uint256 who, uint128 amount) external watched {
        amount = uint128(bound(amount, 1, 1e12));
        address payer = payers[who % payers.length];
        usdc.mint(payer, amount);
        vm.prank(payer);
        usdc.approve(address(escrow), amount);
        vm.prank(payer);
        escrow.deposit(amount);
        deposited += amount;
    }

    function donate(uint128 amount) external watched {
        amount = uint128(bound(amount, 1, 1e9));
        usdc.mint(address(escrow), amount);
        donated += amount;
    }

    function withdraw(uint256 who, uint128 amount) external watched {
        address payer = payers[who % payers.length];
        uint128 free = escrow.free(payer);
        if (free == 0) return;
        amount = uint128(bound(amount, 1, free));
        vm.prank(payer);
        escrow.withdraw(amount);
        withdrawn += amount;
    }

    function approve(uint256 who, uint256 whom, uint128 price, uint128 budget) external watched {
        address payer = payers[who % payers.length];
        uint128 free = escrow.free(payer);
        if (free == 0) return;
        price = uint128(1000 + price % 3);
        budget = uint128(bound(budget, 1, free));
        vm.prank(payer);
        bytes32 id = escrow.approve(providers[whom % providers.length], price, budget);
        if (!known[id]) ids.push(id);
        known[id] = true;
    }

    function approveWithSigner(uint256 who, uint256 whom, uint128 budget, uint256 salt) external watched {
        address payer = payers[who % payers.length];
        address provider = providers[whom % providers.length];
        uint128 free = escrow.free(payer);
        bytes32 lane = bytes32(salt % 8);
        bytes32 id = escrow.channelId(payer, provider, lane, vm.addr(SIGNER_KEY));
        if (free == 0 || known[id]) return;
        budget = uint128(bound(budget, 1, free));
        vm.prank(payer);
        if (escrow.approve(provider, 1000, budget, vm.addr(SIGNER_KEY), lane) != id) broken = true;
        ids.push(id);
        known[id] = true;
    }

    /// Vouchers that mostly fit, on any channel, by any provider; none may revert.
    function claimBatch(uint256 by, uint256 which, uint128[3] calldata cumulative, uint128[3] calldata amounts, bool bad)
        external
        watched
    {
        if (ids.length == 0) return;
        EscrowStorage.ClaimRow[] memory rows = new EscrowStorage.ClaimRow[](3);
        for (uint256 i = 0; i < 3; i++) {
            bytes32 id = ids[addmod(which, i, ids.length)];
            uint128 reserved = escrow.channel(id).reserved;
            uint128 most = uint128(bound(cumulative[i], 0, uint256(reserved) + reserved / 8 + 1));
            uint128 amount = uint128(bound(amounts[i], 0, uint256(most) + most / 8 + 1));
            bytes memory signature = _sign(SIGNER_KEY, escrow.voucherDigest(id, most));
            if (bad && i == 1) signature[10] ^= 0x01;
            else if (most > vouched[id]) vouched[id] = most;
            rows[i] = EscrowStorage.ClaimRow(id, most, amount, signature);
        }
        vm.prank(providers[by % providers.length]);
        applied += escrow.claimBatch(rows);
    }

    /// Any bytes by any provider: none may revert, none may count.
    function claimAnything(uint256 by, uint256 which, uint128 cumulative, uint128 amount, bytes calldata signature)
        external
        watched
    {
        EscrowStorage.ClaimRow[] memory rows = new EscrowStorage.ClaimRow[](2);
        rows[0] = EscrowStorage.ClaimRow(bytes32(which), cumulative, amount, signature);
        rows[1] = EscrowStorage.ClaimRow(
            ids.length == 0 ? bytes32(which) : ids[which % ids.length], cumulative, amount, signature
        );
        vm.prank(providers[by % providers.length]);
        if (escrow.claimBatch(rows) != 0) broken = true;
    }

    function release(uint256 which, uint128 more) external watched {
        if (ids.length == 0) return;
        bytes32 id = ids[which % ids.length];
        EscrowStorage.Channel memory c = escrow.channel(id);
        if (c.finalized) return;
        uint128 finalAmount = c.claimed;
        bytes memory signature;
        if (c.signer != address(0) && more % 2 == 0) {
            finalAmount = uint128(bound(more, c.claimed, c.reserved));
            signature = _sign(SIGNER_KEY, escrow.releaseDigest(id, finalAmount));
            if (finalAmount > vouched[id]) vouched[id] = finalAmount;
        }
        vm.prank(c.provider);
        escrow.release(id, finalAmount, signature);
    }

    function increase(uint256 which, uint128 amount) external watched {
        if (ids.length == 0) return;
        bytes32 id = ids[which % ids.length];
        EscrowStorage.Channel memory c = escrow.channel(id);
        uint128 free = escrow.free(c.payer);
        if (c.closeAt != 0 || free == 0) return;
        amount = uint128(bound(amount, 1, free));
        vm.prank(c.payer);
        escrow.increase(id, amount);
    }

    function requestClose(uint256 which) external watched {
        if (ids.length == 0) return;
        bytes32 id = ids[which % ids.length];
        EscrowStorage.Channel memory c = escrow.channel(id);
        if (c.closeAt != 0) return;
        vm.prank(c.payer);
        escrow.requestClose(id);
    }

    function finalizeClose(uint256 which, uint256 seconds_) external watched {
        if (ids.length == 0) return;
        bytes32 id = ids[which % ids.length];
        EscrowStorage.Channel memory c = escrow.channel(id);
        vm.warp(now64() + bound(seconds_, 0, 2 hours));
        if (c.closeAt == 0 || c.finalized || now64() < c.closeAt) return;
        escrow.finalizeClose(id);
    }

    /// Any numbers by any provider: most are skipped, none may revert.
    function consumeAnything(uint256 by, bytes32 id, uint64 calls, uint128 amount, uint256 which) external watched {
        EscrowStorage.ConsumeRow[] memory rows = new EscrowStorage.ConsumeRow[](2);
        rows[0] = EscrowStorage.ConsumeRow(id, calls, amount);
        rows[1] = EscrowStorage.ConsumeRow(ids.length == 0 ? id : ids[which % ids.length], calls, amount);
        vm.prank(providers[by % providers.length]);
        applied += escrow.consumeBatch(rows);
    }

    /// Numbers that mostly fit.
    function consumeBatch(uint256 by, uint256 which, uint64[3] calldata more, uint128[3] calldata amounts)
        external
        watched
    {
        if (ids.length == 0) return;
        EscrowStorage.ConsumeRow[] memory rows = new EscrowStorage.ConsumeRow[](3);
        for (uint256 i = 0; i < 3; i++) {
            bytes32 id = ids[addmod(which, i, ids.length)];
            EscrowStorage.Channel memory c = escrow.channel(id);
            uint256 room = type(uint64).max - c.calls;
            uint64 calls = uint64(bound(more[i], 0, room < 1e9 ? room : 1e9));
            uint128 amount = uint128(bound(amounts[i], 0, uint256(calls) * c.price + 1));
            rows[i] = EscrowStorage.ConsumeRow(id, c.calls + calls, c.claimed + amount);
        }
        vm.prank(providers[by % providers.length]);
        applied += escrow.consumeBatch(rows);
    }

    function consume(uint256 which, uint128 price, bool stale) external watched {
        if (ids.length == 0) return;
        bytes32 id = ids[which % ids.length];
        EscrowStorage.Channel memory c = escrow.channel(id);
        price = uint128(bound(price, 0, uint256(c.price) + 1));
        uint64 before = stale && c.calls > 0 ? c.calls - 1 : c.calls;
        vm.prank(c.provider);
        bool done = escrow.consume(id, price, before);
        if (done && (stale && c.calls > 0 || price > c.price)) broken = true;
        if (done) applied++;
    }

    function consumeWithPermit(uint256 which, uint128 price, bytes32 nonce, uint128 maxPrice) external watched {
        if (ids.length == 0) return;
        bytes32 id = ids[which % ids.length];
        EscrowStorage.Channel memory c = escrow.channel(id);
        price = uint128(bound(price, 0, c.price));
        nonce = bytes32(uint256(nonce) % 4);
        CallAuthorization memory p = CallAuthorization(c.payer, c.provider, "r", maxPrice, nonce, now64() + 60);
        bytes memory signature = _sign(_keyOf(c.payer), escrow.callAuthorizationDigest(p));
        bool used = escrow.permitUsed(c.payer, nonce);
        vm.prank(c.provider);
        bool done = escrow.consumeWithPermit(id, price, c.calls, p, signature);
        if (done && (used || price > maxPrice || !escrow.permitUsed(c.payer, nonce))) broken = true;
        if (done) permitted[id] += price;
        if (done) applied++;
    }

    function payout(uint256 by, bool fixedAddress) external watched {
        address provider = providers[by % providers.length];
        uint128 amount = escrow.earned(provider);
        if (amount == 0) return;
        if (fixedAddress) {
            vm.prank(provider);
            escrow.setPayout(address(0xc01d));
            escrow.payoutFor(provider);
        } else {
            vm.prank(provider);
            escrow.payout(provider);
        }
        paid += amount;
    }

    /// Every payer leaves and every provider is paid, within T and without the other's help.
    function everybodyLeaves() external {
        for (uint256 i = 0; i < ids.length; i++) {
            EscrowStorage.Channel memory c = escrow.channel(ids[i]);
            if (c.closeAt != 0) continue;
            vm.prank(c.payer);
            escrow.requestClose(ids[i]);
        }
        vm.warp(now64() + escrow.closeDelay());
        for (uint256 i = 0; i < ids.length; i++) {
            if (!escrow.channel(ids[i]).finalized) escrow.finalizeClose(ids[i]);
        }
        for (uint256 i = 0; i < payers.length; i++) {
            uint128 free = escrow.free(payers[i]);
            if (free == 0) continue;
            vm.prank(payers[i]);
            escrow.withdraw(free);
            withdrawn += free;
        }
        for (uint256 i = 0; i < providers.length; i++) {
            uint128 amount = escrow.earned(providers[i]);
            if (amount == 0) continue;
            vm.prank(providers[i]);
            escrow.payout(providers[i]);
            paid += amount;
        }
    }

    function _sign(uint256 key, bytes32 digest) private pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    function _keyOf(address payer) private view returns (uint256) {
        for (uint256 i = 0; i < payers.length; i++) {
            if (payers[i] == payer) return _payerKeys[i];
        }
        revert("unknown payer");
    }
}
