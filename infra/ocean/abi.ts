/** The parts of Ocean's contracts that are read and called. Source: @oceanprotocol/contracts 2.6.0. */

import { Interface } from 'ethers';

export const factoryAbi = new Interface([
  'event NFTCreated(address newTokenAddress, address indexed templateAddress, string tokenName, address indexed admin, string symbol, string tokenURI, bool transferable, address indexed creator)',
  'event TokenCreated(address indexed newTokenAddress, address indexed templateAddress, string name, string symbol, uint256 cap, address creator)',
  'function erc721List(address) view returns (address)',
  'function createNftWithErc20((string name, string symbol, uint256 templateIndex, string tokenURI, bool transferable, address owner) nft, (uint256 templateIndex, string[] strings, address[] addresses, uint256[] uints, bytes[] bytess) datatoken) returns (address, address)',
]);

export const nftAbi = new Interface([
  'event MetadataCreated(address indexed createdBy, uint8 state, string decryptorUrl, bytes flags, bytes data, bytes32 metaDataHash, uint256 timestamp, uint256 blockNumber)',
  'event MetadataUpdated(address indexed updatedBy, uint8 state, string decryptorUrl, bytes flags, bytes data, bytes32 metaDataHash, uint256 timestamp, uint256 blockNumber)',
  'function getMetaData() view returns (string, string, uint8, bool)',
  'function isDeployed(address datatoken) view returns (bool)',
  'function ownerOf(uint256 tokenId) view returns (address)',
  'function setMetaData(uint8 state, string decryptorUrl, string decryptorAddress, bytes flags, bytes data, bytes32 metaDataHash, (address validatorAddress, uint8 v, bytes32 r, bytes32 s)[] proofs)',
  'function transferFrom(address from, address to, uint256 tokenId)',
]);

export const datatokenAbi = new Interface([
  'event OrderStarted(address indexed consumer, address payer, uint256 amount, uint256 serviceIndex, uint256 timestamp, address indexed publishMarketAddress, uint256 blockNumber)',
  'event OrderReused(bytes32 orderTxId, address caller, uint256 timestamp, uint256 number)',
  'event ProviderFee(address indexed providerFeeAddress, address indexed providerFeeToken, uint256 providerFeeAmount, bytes providerData, uint8 v, bytes32 r, bytes32 s, uint256 validUntil)',
]);

export const escrowAbi = new Interface([
  'event Lock(address payer, address payee, uint256 jobId, uint256 amount, uint256 expiry, address token)',
  'event Claimed(address indexed payee, uint256 jobId, address token, address indexed payer, uint256 amount, bytes proof)',
  'event Canceled(address indexed payee, uint256 jobId, address token, address indexed payer, uint256 amount)',
  'function getUserFunds(address payer, address token) view returns (tuple(uint256 available, uint256 locked))',
  'function getAuthorizations(address token, address payer, address payee) view returns (tuple(address payee, uint256 maxLockedAmount, uint256 currentLockedAmount, uint256 maxLockSeconds, uint256 maxLockCounts, uint256 currentLocks)[])',
  'function createLock(uint256 jobId, address token, address payer, uint256 amount, uint256 expiry)',
  'function claimLock(uint256 jobId, address token, address payer, uint256 amount, bytes proof)',
  'function claimLockAndWithdraw(uint256 jobId, address token, address payer, uint256 amount, bytes proof)',
]);

export const accessListAbi = new Interface(['function balanceOf(address owner) view returns (uint256)']);

export const smartAccountAbi = new Interface(['function isValidSignature(bytes32 hash, bytes signature) view returns (bytes4)']);

/** topic0 of an event of one of these contracts. */
export const topicOf = (abi: Interface, event: string): string => {
  const fragment = abi.getEvent(event);
  if (fragment === null) throw new TypeError(`no event ${event}`);
  return fragment.topicHash;
};
