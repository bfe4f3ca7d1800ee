// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// Tokens that do not behave as the escrow needs.
abstract contract SixDecimals is ERC20("Bad", "BAD") {
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function decimals() public view virtual override returns (uint8) {
        return 6;
    }
}

contract EighteenDecimals is SixDecimals {
    function decimals() public pure override returns (uint8) {
        return 18;
    }
}

/// Keeps one unit of each transfer.
contract FeeToken is SixDecimals {
    function _update(address from, address to, uint256 value) internal override {
        super._update(from, to, value);
        if (from != address(0) && to != address(0)) super._update(to, address(0xfee), 1);
    }
}

/// Refuses listed receivers, as USDC does.
contract BlacklistToken is SixDecimals {
    error Blacklisted(address account);

    mapping(address => bool) public blacklisted;

    function blacklist(address account) external {
        blacklisted[account] = true;
    }

    function _update(address from, address to, uint256 value) internal override {
        if (blacklisted[to]) revert Blacklisted(to);
        super._update(from, to, value);
    }
}

/// Stops everything, as USDC can.
contract PausableToken is SixDecimals {
    error Paused();

    bool public paused;

    function pause(bool on) external {
        paused = on;
    }

    function _update(address from, address to, uint256 value) internal override {
        if (paused) revert Paused();
        super._update(from, to, value);
    }
}

/// Says false instead of reverting, and moves nothing, from when it is told to.
contract FalseToken is SixDecimals {
    bool public refusing;

    function refuse(bool on) external {
        refusing = on;
    }

    function transfer(address to, uint256 value) public override returns (bool) {
        return !refusing && super.transfer(to, value);
    }

    function transferFrom(address from, address to, uint256 value) public override returns (bool) {
        return !refusing && super.transferFrom(from, to, value);
    }
}

/// Takes any authorization, and keeps one unit of each.
contract FeeByAuthorizationToken is FeeToken {
    function receiveWithAuthorization(address from, address to, uint256 value, uint256, uint256, bytes32, bytes calldata)
        external
    {
        _transfer(from, to, value);
    }
}

/// Calls back into whatever it was told while it transfers.
contract ReentrantToken is SixDecimals {
    address private _target;
    bytes private _call;
    bool public reentered;
    bytes public failure;

    function attack(address target, bytes calldata call_) external {
        _target = target;
        _call = call_;
    }

    function _update(address from, address to, uint256 value) internal override {
        super._update(from, to, value);
        address target = _target;
        if (target == address(0)) return;
        _target = address(0);
        (reentered, failure) = target.call(_call);
    }

    function approveFor(address owner, address spender) external {
        _approve(owner, spender, type(uint256).max);
    }
}
