// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EscrowChannels} from "../src/EscrowChannels.sol";
import {EscrowConsume} from "../src/EscrowConsume.sol";
import {EscrowMoney} from "../src/EscrowMoney.sol";
import {EscrowStorage} from "../src/EscrowStorage.sol";
import {EscrowVouchers} from "../src/EscrowVouchers.sol";
import {EscrowBase} from "./EscrowBase.sol";

/// What transactions cost, calldata included, against limits and against contracts/snapshots. The state of
/// setUp is cold, as in a transaction of its own.
contract EscrowGasTest is EscrowBase {
    uint256 private constant ROWS = 10;
    uint256 private constant ROW_LIMIT = 17_000;

    bytes32 private first;
    bytes32 private pull;
    bytes32[] private fresh;
    bytes32[] private claimed;
    bytes32[] private pulls;

    function setUp() public override {
        super.setUp();
        usdc.mint(payer, 1000);
        vm.prank(payer);
        usdc.approve(address(escrow), 1000);
        first = openSigned("first");
        pull = open();
        for (uint256 i = 0; i < ROWS; i++) {
            vm.prank(payer);
            fresh.push(escrow.approve(provider, PRICE, 1_000_000, signer, keccak256(abi.encode("fresh", i))));
            vm.prank(payer);
            claimed.push(escrow.approve(provider, PRICE, 1_000_000, signer, keccak256(abi.encode("claimed", i))));
            claim(claimed[i], 123_456, 123_456);
            address other = address(uint160(0xca11e0 + i));
            fund(other, 1_000_000);
            vm.prank(other);
            pulls.push(escrow.approve(provider, PRICE, 1_000_000));
            batch(row(pulls[i], 3, 3 * PRICE));
        }
    }

    function test_a_further_row_of_a_claim_is_at_most_17000() public {
        uint256 one = claimGas(rows1(first, 345_678));
        uint256 all = claimGas(rowsOf(claimed, 345_678));
        // Both have what a batch costs once.
        record("claimBatch, a further row", (all - one) / (ROWS - 1), ROW_LIMIT);
    }

    function test_the_first_claim_of_a_channel_costs_no_more() public {
        uint256 one = claimGas(rows1(first, 345_678));
        uint256 all = claimGas(rowsOf(fresh, 345_678));
        record("claimBatch, a further row of a new channel", (all - one) / (ROWS - 1), ROW_LIMIT);
    }

    function test_a_skipped_row() public {
        EscrowStorage.ClaimRow[] memory rows = rowsOf(claimed, 345_678);
        for (uint256 i = 0; i < ROWS; i++) rows[i].signature[64] = 0;
        record("claimBatch, a skipped row", (claimGas(rows) - 21_000) / ROWS, ROW_LIMIT);
    }

    function test_claim_of_one_row() public {
        record("claimBatch, 1 row", claimGas(rows1(claimed[0], 345_678)), 45_000);
    }

    function test_claim_of_ten_rows() public {
        record("claimBatch, 10 rows", claimGas(rowsOf(claimed, 345_678)), 205_000);
    }

    function test_consume_of_ten_rows() public {
        EscrowStorage.ConsumeRow[] memory rows = new EscrowStorage.ConsumeRow[](ROWS);
        for (uint256 i = 0; i < ROWS; i++) rows[i] = EscrowStorage.ConsumeRow(pulls[i], 9, 9 * PRICE);
        uint256 gas_ = spent(provider, abi.encodeCall(EscrowConsume.consumeBatch, (rows)));
        record("consumeBatch, 10 rows", gas_, 210_000);
    }

    function test_deposit() public {
        record("deposit", spent(payer, abi.encodeCall(EscrowMoney.deposit, (1000))), 75_000);
    }

    function test_withdraw() public {
        record("withdraw", spent(payer, abi.encodeCall(EscrowMoney.withdraw, (1000))), 65_000);
    }

    function test_approve_of_a_pull_channel() public {
        record("approve, another price", spentApprove("approve(address,uint128,uint128)", ""), 190_000);
    }

    function test_approve_with_a_signer() public {
        bytes memory more = abi.encode(signer, "another");
        uint256 gas_ = spentApprove("approve(address,uint128,uint128,address,bytes32)", more);
        record("approve, with a signer", gas_, 165_000);
    }

    function test_request_close() public {
        record("requestClose", spent(payer, abi.encodeCall(EscrowChannels.requestClose, (first))), 37_000);
    }

    function test_release_at_once() public {
        bytes memory signature = sign(PROVIDER_KEY, escrow.releaseDigest(first, 5));
        record("release", spent(payer, abi.encodeCall(EscrowVouchers.release, (first, 5, signature))), 67_000);
    }

    function test_payout() public {
        record("payout", spent(provider, abi.encodeCall(EscrowMoney.payout, (stranger))), 72_000);
    }

    function spentApprove(string memory signature, bytes memory more) private returns (uint256) {
        bytes memory head = abi.encode(provider, PRICE + 1, 1000);
        return spent(payer, bytes.concat(bytes4(keccak256(bytes(signature))), head, more));
    }

    function rows1(bytes32 id, uint128 amount) private view returns (EscrowStorage.ClaimRow[] memory rows) {
        rows = new EscrowStorage.ClaimRow[](1);
        rows[0] = claimRow(id, amount, amount);
    }

    function rowsOf(bytes32[] storage ids, uint128 amount)
        private
        view
        returns (EscrowStorage.ClaimRow[] memory rows)
    {
        rows = new EscrowStorage.ClaimRow[](ROWS);
        for (uint256 i = 0; i < ROWS; i++) rows[i] = claimRow(ids[i], amount, amount);
    }

    function claimGas(EscrowStorage.ClaimRow[] memory rows) private returns (uint256) {
        return spent(provider, abi.encodeCall(EscrowVouchers.claimBatch, (rows)));
    }

    /// What a transaction with this calldata spends, without refunds.
    function spent(address by, bytes memory data) private returns (uint256 total) {
        total = 21_000;
        for (uint256 i = 0; i < data.length; i++) total += data[i] == 0 ? 4 : 16;
        vm.prank(by);
        uint256 before = gasleft();
        (bool done,) = address(escrow).call(data);
        total += before - gasleft();
        isTrue(done, "reverted");
    }

    function record(string memory what, uint256 gas_, uint256 limit) private {
        vm.snapshotValue("Escrow", what, gas_);
        if (gas_ > limit) revert NotEqual(string.concat(what, ": gas above its limit"), gas_, limit);
    }
}
