// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EscrowStorage} from "./EscrowStorage.sol";

/// Settlers of a provider, and the calls that it gives away. Moves no money.
abstract contract EscrowTrials is EscrowStorage {
    /// Lets `account` settle for the caller until `expires`; replaces the one before, at once.
    function setSettler(address account, uint64 expires) external {
        _settlers[msg.sender] = Settler(account, expires);
        emit SettlerSet(msg.sender, account, expires);
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

    function trialOf(address provider, address user) external view returns (Trial memory) {
        return _trials[provider][user];
    }

    function settlerOf(address provider) external view returns (Settler memory) {
        return _settlers[provider];
    }
}
