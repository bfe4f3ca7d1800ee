// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {IRegistry} from "./IRegistry.sol";

/// The records of names, in ENS's standard profiles. Only a node's registry owner or their operator writes.
contract Resolver is IERC165 {
    event AddrChanged(bytes32 indexed node, address a);
    event AddressChanged(bytes32 indexed node, uint256 coinType, bytes newAddress);
    event TextChanged(bytes32 indexed node, string indexed indexedKey, string key, string value);
    event ContenthashChanged(bytes32 indexed node, bytes hash);
    event NameChanged(bytes32 indexed node, string name);

    error NotAuthorised(bytes32 node, address caller);
    error AddressInvalid();

    /// The coin type of Ethereum (SLIP-44).
    uint256 public constant COIN_TYPE_ETH = 60;
    /// Text record: the provider's base URL.
    string public constant URL_KEY = "url";
    /// Text record: the provider's RSA public key as a JWK (RFC 7517).
    string public constant RSA_JWK_KEY = "org.decloud.rsa-jwk";
    /// Text record: the lowest delegation epoch that is still valid, in decimal.
    string public constant LOWEST_EPOCH_KEY = "org.decloud.lowest-epoch";

    IRegistry public immutable registry;

    mapping(bytes32 node => mapping(uint256 coinType => bytes)) private _addresses;
    mapping(bytes32 node => mapping(string key => string)) private _texts;
    mapping(bytes32 node => bytes) private _contenthashes;
    mapping(bytes32 node => string) private _names;

    constructor(IRegistry registry_) {
        registry = registry_;
    }

    modifier authorised(bytes32 node) {
        address owner = registry.owner(node);
        if (owner == address(0) || (owner != msg.sender && !registry.isApprovedForAll(owner, msg.sender))) {
            revert NotAuthorised(node, msg.sender);
        }
        _;
    }

    /// Sets what a provider needs in one transaction: account, base URL and RSA key.
    function setProvider(bytes32 node, address account, string calldata url, string calldata rsaJwk)
        external
        authorised(node)
    {
        _setAddress(node, COIN_TYPE_ETH, abi.encodePacked(account));
        _setText(node, URL_KEY, url);
        _setText(node, RSA_JWK_KEY, rsaJwk);
    }

    function setAddr(bytes32 node, address a) external authorised(node) {
        _setAddress(node, COIN_TYPE_ETH, abi.encodePacked(a));
    }

    /// For Ethereum's coin type the address has 20 bytes, or none, which removes it.
    function setAddr(bytes32 node, uint256 coinType, bytes calldata a) external authorised(node) {
        if (coinType == COIN_TYPE_ETH && a.length != 20 && a.length != 0) revert AddressInvalid();
        _setAddress(node, coinType, a);
    }

    function setText(bytes32 node, string calldata key, string calldata value) external authorised(node) {
        _setText(node, key, value);
    }

    function setContenthash(bytes32 node, bytes calldata hash) external authorised(node) {
        _contenthashes[node] = hash;
        emit ContenthashChanged(node, hash);
    }

    function setName(bytes32 node, string calldata newName) external authorised(node) {
        _names[node] = newName;
        emit NameChanged(node, newName);
    }

    /// The Ethereum address, 0 if there is none (EIP-137).
    function addr(bytes32 node) external view returns (address payable) {
        bytes memory stored = _addresses[node][COIN_TYPE_ETH];
        return stored.length == 20 ? payable(address(bytes20(stored))) : payable(0);
    }

    /// The address for a coin type, empty if there is none (EIP-2304).
    function addr(bytes32 node, uint256 coinType) external view returns (bytes memory) {
        return _addresses[node][coinType];
    }

    /// A text record, empty if there is none (EIP-634).
    function text(bytes32 node, string calldata key) external view returns (string memory) {
        return _texts[node][key];
    }

    /// The content hash, empty if there is none (EIP-1577).
    function contenthash(bytes32 node) external view returns (bytes memory) {
        return _contenthashes[node];
    }

    /// The canonical name, of a node under addr.reverse (EIP-181).
    function name(bytes32 node) external view returns (string memory) {
        return _names[node];
    }

    /// The base URL: the same record as text(node, "url").
    function server(bytes32 node) external view returns (string memory) {
        return _texts[node][URL_KEY];
    }

    /// The RSA public key: the same record as text(node, RSA_JWK_KEY).
    function rsaPublicKey(bytes32 node) external view returns (string memory) {
        return _texts[node][RSA_JWK_KEY];
    }

    function supportsInterface(bytes4 id) external pure returns (bool) {
        return id == type(IERC165).interfaceId || id == 0x3b3b57de // addr(bytes32)
            || id == 0xf1cb7e06 // addr(bytes32,uint256)
            || id == this.text.selector || id == this.contenthash.selector || id == this.name.selector;
    }

    function _setAddress(bytes32 node, uint256 coinType, bytes memory a) private {
        _addresses[node][coinType] = a;
        emit AddressChanged(node, coinType, a);
        if (coinType == COIN_TYPE_ETH) emit AddrChanged(node, a.length == 20 ? address(bytes20(a)) : address(0));
    }

    function _setText(bytes32 node, string memory key, string memory value) private {
        _texts[node][key] = value;
        emit TextChanged(node, key, key, value);
    }
}
