/** ECIES as Ocean uses it: secp256k1, HKDF-SHA256, AES-256-GCM with a 16-byte nonce. Compatible with eciespy and eciesjs. */

import { ECDH, createDecipheriv, createECDH, hkdfSync } from 'node:crypto';
import { encrypt } from 'eciesjs';
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

const keyBytes = 65;
const nonceBytes = 16;
const tagBytes = 16;

/** Ephemeral key, nonce, tag. */
const overheadBytes = keyBytes + nonceBytes + tagBytes;

const curve = 'secp256k1';
const evenY = Uint8Array.of(2);
const oddY = Uint8Array.of(3);

const openWith = (master: Uint8Array, bytes: Uint8Array): Uint8Array | null => {
  const key = new Uint8Array(hkdfSync('sha256', master, new Uint8Array(), new Uint8Array(), 32));
  const nonce = bytes.subarray(keyBytes, keyBytes + nonceBytes);
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: tagBytes });
  decipher.setAuthTag(bytes.subarray(keyBytes + nonceBytes, overheadBytes));
  const opened = decipher.update(bytes.subarray(overheadBytes));
  try {
    return Buffer.concat([opened, decipher.final()]);
  } catch {
    return null;
  }
};

/**
 * The key is derived from the whole shared point, but OpenSSL tells its x only: of the two points with that x the
 * authentication tag names the right one. Twenty times faster than the curve in JavaScript, and every start needs it.
 */
const decryptWith = (owner: ECDH, bytes: Uint8Array): Uint8Array | null => {
  const ephemeral = bytes.subarray(0, keyBytes);
  const x = owner.computeSecret(ephemeral);
  for (const parity of [evenY, oddY]) {
    const shared = ECDH.convertKey(Buffer.concat([parity, x]), curve, undefined, undefined, 'uncompressed') as Buffer;
    const opened = openWith(Buffer.concat([ephemeral, shared]), bytes);
    if (opened !== null) return opened;
  }
  return null;
};

/**
 * Encrypts to a public key.
 * @param publicKey 0x hex, compressed or not
 * @returns 0x hex, 97 bytes longer than `bytes`
 */
export const encryptTo = (publicKey: string, bytes: Uint8Array): string => hexlify(encrypt(getBytes(publicKey), bytes));

/** The compressed public key of a private key, 0x hex. */
export const publicKeyOf = (privateKey: string): string => SigningKey.computePublicKey(privateKey, true);

const openKey = (privateKey: string): ECDH => {
  const owner = createECDH(curve);
  owner.setPrivateKey(getBytes(privateKey));
  return owner;
};

/**
 * Decrypts with the first key that fits: the current one, then former ones, so that assets published before a key
 * change stay usable.
 * @param privateKeys 0x hex, newest first
 */
export const createDecrypter = (privateKeys: readonly string[]): Decrypter => {
  const owners = privateKeys.map(openKey);
  return {
    decrypt: (hex) => {
      if (!hexText.test(hex)) return null;
      const bytes = Buffer.from(hex.replace(/^0x/i, ''), 'hex');
      if (bytes.length < overheadBytes) return null;
      for (const owner of owners) {
        try {
          const opened = decryptWith(owner, bytes);
          if (opened !== null) return opened;
        } catch {
          // what stands in the key's place is no point of the curve
          return null;
        }
      }
      return null;
    },
  };
};
