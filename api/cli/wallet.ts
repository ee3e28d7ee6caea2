/** The key that signs: from a file or a keystore, never from the command line. */

import { readFile, stat } from 'node:fs/promises';
import { Wallet, isKeystoreJson } from 'ethers';
import { usageError } from './exits.ts';
import { askSecret, note, type Terminal } from './terminal.ts';

/** Where the key is. */
export interface KeyPlaces {
  readonly keyFile?: string | undefined;
  readonly keystore?: string | undefined;
  readonly passwordFile?: string | undefined;
}

/** Signs as one address, and opens what was encrypted to it. */
export interface Signer {
  readonly address: string;
  /** 0x hex */
  readonly privateKey: string;
  readonly sign: (message: Uint8Array) => Promise<string>;
}

type OpenedWallet = Pick<Wallet, 'address' | 'privateKey' | 'signMessage'>;

const readText = async (path: string, what: string): Promise<string> => {
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch (err) {
    throw usageError(`the ${what} ${path} cannot be read: ${(err as NodeJS.ErrnoException).code ?? 'unknown error'}`);
  }
};

const warnIfShared = async (path: string, terminal: Terminal): Promise<void> => {
  const { mode } = await stat(path);
  if ((mode & 0o077) !== 0) note(terminal, `c2d: others on this machine may read ${path}; chmod 600 it`);
};

const toSigner = (wallet: OpenedWallet): Signer => ({
  address: wallet.address,
  privateKey: wallet.privateKey,
  sign: (message) => wallet.signMessage(message),
});

const openKeyFile = async (path: string, terminal: Terminal): Promise<Signer> => {
  const text = await readText(path, 'key file');
  await warnIfShared(path, terminal);
  // the library's own error quotes what it was given
  if (!/^(0x)?[0-9a-fA-F]{64}$/.test(text)) throw usageError(`the key file ${path} holds no private key of 64 hex digits`);
  return toSigner(new Wallet(text.startsWith('0x') ? text : `0x${text}`));
};

const openKeystore = async ({ keystore = '', passwordFile }: KeyPlaces, terminal: Terminal): Promise<Signer> => {
  const json = await readText(keystore, 'keystore');
  if (!isKeystoreJson(json)) throw usageError(`${keystore} is no keystore`);
  const password =
    passwordFile === undefined
      ? await askSecret(terminal, `Password of ${keystore}: `).catch(() => {
          throw usageError('the keystore has a password: name a file with --password-file, or run c2d in a terminal');
        })
      : await readText(passwordFile, 'password file');
  try {
    return toSigner(await Wallet.fromEncryptedJson(json, password));
  } catch {
    throw usageError(`the password does not open ${keystore}`);
  }
};

/** @throws Exit `usage` without a key, or with one that cannot be used; nothing of it is in the message */
export const openSigner = async (places: KeyPlaces, terminal: Terminal): Promise<Signer> => {
  if (places.keyFile !== undefined && places.keystore !== undefined) throw usageError('give a key file or a keystore, not both');
  if (places.keyFile !== undefined) return openKeyFile(places.keyFile, terminal);
  if (places.keystore !== undefined) return openKeystore(places, terminal);
  throw usageError('no key: name one with --key-file or --keystore (or C2D_KEY_FILE, C2D_KEYSTORE)');
};
