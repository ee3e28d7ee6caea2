/** ECIES as Ocean uses it: secp256k1, HKDF-SHA256, AES-256-GCM with a 16-byte nonce. Compatible with eciespy and eciesjs. */

import { decrypt, encrypt } from 'eciesjs';
import { SigningKey, getBytes, hexlify } from 'ethers';

/** What only the owner of a key can do. */
export interface Decrypter {
  /**
   * @param hex with or without `0x`
   * @returns the plaintext, or null when it was made for another key or is no ciphertext at all
   */
  decrypt(hex: string): Uint8Array | null;
}

const hexText = /^(?:0x)?(?:[0-9a-f]{2})+$/i;

/** 65-byte ephemeral key, 16-byte nonce, 16-byte tag. */
const overheadBytes = 97;

/**
 * Encrypts to a public key.
 * @param publicKey 0x hex, compressed or not
 * @returns 0x hex, 97 bytes longer than `bytes`
 */
export const encryptTo = (publicKey: string, bytes: Uint8Array): string => hexlify(encrypt(getBytes(publicKey), bytes));

/** The compressed public key of a private key, 0x hex. */
export const publicKeyOf = (privateKey: string): string => SigningKey.computePublicKey(privateKey, true);

/**
 * Decrypts with the first key that fits: the current one, then former ones, so that assets published before a key
 * change stay usable.
 * @param privateKeys 0x hex, newest first
 */
export const createDecrypter = (privateKeys: readonly string[]): Decrypter => ({
  decrypt: (hex) => {
    if (!hexText.test(hex)) return null;
    const bytes = getBytes(hex.startsWith('0x') || hex.startsWith('0X') ? `0x${hex.slice(2)}` : `0x${hex}`);
    if (bytes.length < overheadBytes) return null;
    for (const key of privateKeys) {
      try {
        return decrypt(getBytes(key), bytes);
      } catch {
        // not for this key
      }
    }
    return null;
  },
});
