/** Who asks, with what, and how each surface takes it. */

import { getBytes, id, type Wallet } from 'ethers';
import type { SignedCommand } from '../../../api/authentication.ts';
import { admin, signAsProvider } from '../operator/support/operatorWorld.ts';
import type { AuthorizationScene } from './scene.ts';

/** What somebody shows. */
export interface Credential {
  /** whom the request names, if anybody */
  readonly names: Wallet | null;
  readonly signer: Wallet | null;
  readonly token: string | null;
  /** whose token it is */
  readonly holder: Wallet | null;
}

/** A request. */
export interface Ask {
  readonly method: string;
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  /** sent as it is if it is text, else as JSON */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

const signedBy = (names: Wallet, signer: Wallet): Credential => ({ names, signer, token: null, holder: null });
const withToken = (token: string, holder: Wallet, names: Wallet | null): Credential => ({ names, signer: null, token, holder });

/** Everything that somebody without a right can show. */
export const attacks = {
  "another consumer's own signature": ({ stranger }) => signedBy(stranger, stranger),
  "the owner's address under another's signature": ({ owner, stranger }) => signedBy(owner, stranger),
  'a token of another address': ({ stranger, tokens }) => withToken(tokens.strangers, stranger, null),
  "a token of another address beside the owner's": ({ owner, stranger, tokens }) => withToken(tokens.strangers, stranger, owner),
  'an expired token of the owner': ({ owner, tokens }) => withToken(tokens.expired, owner, owner),
  'an invalidated token of the owner': ({ owner, tokens }) => withToken(tokens.invalidated, owner, owner),
  "nothing but the owner's address": ({ owner }) => ({ names: owner, signer: null, token: null, holder: null }),
} as const satisfies Readonly<Record<string, (scene: AuthorizationScene) => Credential>>;

export type AttackName = keyof typeof attacks;

/** What the owner may show. */
export const rights = {
  signature: ({ owner }) => signedBy(owner, owner),
  token: ({ owner, tokens }) => withToken(tokens.owners, owner, owner),
} as const satisfies Readonly<Record<string, (scene: AuthorizationScene) => Credential>>;

export type RightName = keyof typeof rights;

type Fields = Readonly<Record<string, string>>;

const signText = (wallet: Wallet, text: string): string => wallet.signMessageSync(getBytes(id(text)));

/** Node style: address, nonce and command are signed; a token is a header. */
export const nodeProof = (
  scene: AuthorizationScene,
  { names, signer, token }: Credential,
  { command, field = 'consumerAddress' }: { readonly command: SignedCommand; readonly field?: string },
): { readonly fields: Fields; readonly headers: Fields } => {
  const nonce = scene.nextNonce();
  const address = names === null ? {} : { [field]: names.address };
  const signature = signer === null ? {} : { nonce, signature: signText(signer, `${names?.address ?? ''}${nonce}${command}`) };
  return { fields: { ...address, ...signature }, headers: token === null ? {} : { authorization: `Bearer ${token}` } };
};

/** REST: a token, and nothing else; a signature is sent where a client of another surface would. */
export const v1Proof = (scene: AuthorizationScene, credential: Credential): Fields => {
  const { fields, headers } = nodeProof(scene, credential, { command: 'startCompute' });
  return { ...headers, ...Object.fromEntries(Object.entries(fields).map(([name, value]) => [`x-${name}`, value])) };
};

/** Classic: every call has a message of its own; a token is another header. */
export const classicProof = (
  scene: AuthorizationScene,
  { names, signer, token, holder }: Credential,
  { field = 'consumerAddress', message }: { readonly field?: string; readonly message: (address: string) => string },
): { readonly fields: Fields; readonly headers: Fields } => {
  const nonce = scene.nextNonce();
  const address = (names ?? holder)?.address ?? '';
  const signature = signer === null ? {} : { signature: signText(signer, message(address) + nonce) };
  return { fields: { [field]: address, nonce, ...signature }, headers: token === null ? {} : { AuthToken: token } };
};

/** Operator-service: the Provider signs for its consumers; another Provider is the other consumer, and a stranger is on no list. */
export const operatorProof = (
  { provider, otherProvider, owner, nextNonce }: AuthorizationScene,
  { names, signer, token }: Credential,
  message: (nonce: string) => string,
): { readonly fields: Fields; readonly headers: Fields } => {
  const nonce = nextNonce();
  const signing = signer === owner ? provider : signer !== null && names === signer ? otherProvider : signer;
  const signature = signing === null ? {} : { providerSignature: signAsProvider(signing, message(nonce)) };
  return { fields: { nonce, ...signature }, headers: token === null ? {} : { authorization: `Bearer ${token}`, AuthToken: token } };
};

/** Operators: a word in a header. Whatever else somebody has is no such word. */
export const adminProof = ({ owner }: AuthorizationScene, { names, signer, token }: Credential): Fields => {
  if (signer === owner) return { Admin: admin };
  const word = token ?? signer?.address;
  return word === undefined ? { 'x-owner': names?.address ?? '' } : { Admin: word };
};
