/** Consumers' signatures: who signed a message of an Ocean client. */

import { getBytes, hashMessage, keccak256, recoverAddress, toUtf8Bytes } from 'ethers';

/** Asks a smart account whether it accepts a signature (ERC-1271 `isValidSignature`). */
export interface SmartAccounts {
  /** true when the contract at `address` answers with the magic value; false for anything else, also for no contract */
  accepts(address: string, hash: string, signature: string): Promise<boolean>;
}

/** What is to be checked: `message` is the text whose keccak256 was signed. */
export interface SignedMessage {
  readonly address: string;
  readonly message: string;
  /** 0x hex, r ‖ s ‖ v */
  readonly signature: string;
}

const keySignature = /^0x[0-9a-f]{130}$/i;
const hexText = /^0x(?:[0-9a-f]{2})+$/i;
const addressText = /^0x[0-9a-f]{40}$/i;

/** Python clients end a signature in 00 or 01, the others in 1b or 1c. */
const normaliseRecovery = (signature: string): string | null => {
  const last = Number.parseInt(signature.slice(-2), 16);
  const recovery = last < 2 ? last + 27 : last;
  if (recovery !== 27 && recovery !== 28) return null;
  return signature.slice(0, -2) + recovery.toString(16);
};

const stripLeadingZeros = (bytes: Uint8Array): Uint8Array => {
  const first = bytes.findIndex((byte) => byte !== 0);
  return first < 0 ? new Uint8Array() : bytes.subarray(first);
};

/**
 * The hashes that clients sign for one message: EIP-191 over the 32 bytes of keccak256(message), over those bytes
 * without leading zeros (ocean.js ≥ 5.1.3), and over their 66-character hex text.
 */
export const signedHashes = (message: string): readonly string[] => {
  const hash = keccak256(toUtf8Bytes(message));
  return [...new Set([hashMessage(getBytes(hash)), hashMessage(stripLeadingZeros(getBytes(hash))), hashMessage(hash)])];
};

const recover = (hash: string, signature: string): string | null => {
  try {
    return recoverAddress(hash, signature).toLowerCase();
  } catch {
    return null;
  }
};

const isSignedByKey = ({ address, message, signature }: SignedMessage): boolean => {
  if (!keySignature.test(signature)) return false;
  const normalised = normaliseRecovery(signature);
  if (normalised === null) return false;
  return signedHashes(message).some((hash) => recover(hash, normalised) === address.toLowerCase());
};

/** True when the key of `address` signed the message in one of the accepted forms. Never throws. */
export const isSignedBy = (signed: SignedMessage): boolean => {
  try {
    return addressText.test(signed.address) && isSignedByKey(signed);
  } catch {
    // text that has no UTF-8 form (lone surrogates) was never signed
    return false;
  }
};

/** Longest signature of a smart account that is passed on to a chain, in hex characters. */
const longestSignature = 20_000;

/**
 * True when `address` signed the message, as a key or as a smart account.
 * @param accounts the chain to ask for smart accounts; null asks none
 * @throws JobFailure ChainUnavailable when a smart account cannot be asked
 * @see Ocean Provider API and Ocean Node API: authentication; ERC-1271
 */
export const verifyMessage = async (signed: SignedMessage, accounts: SmartAccounts | null): Promise<boolean> => {
  if (isSignedBy(signed)) return true;
  const { address, message, signature } = signed;
  if (accounts === null || !addressText.test(address) || !hexText.test(signature) || signature.length > longestSignature) return false;
  if (!message.isWellFormed()) return false;
  const hash = keccak256(toUtf8Bytes(message));
  for (const candidate of [hash, hashMessage(getBytes(hash))]) {
    if (await accounts.accepts(address, candidate, signature)) return true;
  }
  return false;
};
