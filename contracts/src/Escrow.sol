// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {EscrowConsume} from "./EscrowConsume.sol";
import {EscrowMoney} from "./EscrowMoney.sol";
import {EscrowTrials} from "./EscrowTrials.sol";
import {EscrowVouchers} from "./EscrowVouchers.sol";
import {Delegation, Deployment, Revocation, SignedStructs} from "./SignedStructs.sol";

/// Money that payers reserve for providers, and what providers earned of it.
///
/// Nobody has power over the funds of others: there is no owner and no upgrade. Amounts are in the token's
/// smallest unit, times in seconds. The rules that hold always are in contracts/README.md.
contract Escrow is EscrowMoney, EscrowTrials, EscrowConsume, EscrowVouchers {
    constructor(IERC20Metadata token_, uint64 closeDelay_) EIP712("decloud", "1") {
        uint8 decimals = token_.decimals();
        if (decimals != 6) revert DecimalsNotSix(decimals);
        if (closeDelay_ < MIN_CLOSE_DELAY || closeDelay_ > MAX_CLOSE_DELAY) revert CloseDelayOutOfRange(closeDelay_);
        token = token_;
        closeDelay = closeDelay_;
    }

    function domainSeparator() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    function deploymentDigest(Deployment calldata value) external view returns (bytes32) {
        return _hashTypedDataV4(SignedStructs.hash(value));
    }

    function delegationDigest(Delegation calldata value) external view returns (bytes32) {
        return _hashTypedDataV4(SignedStructs.hash(value));
    }

    function revocationDigest(Revocation calldata value) external view returns (bytes32) {
        return _hashTypedDataV4(SignedStructs.hash(value));
    }
}
