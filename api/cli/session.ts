/** Calls under a token, which is got with a signature when it is needed and renewed when it ends. */

import { getBytes, id } from 'ethers';
import { refusalOf, type Asked, type Http } from './http.ts';
import type { Signer } from './wallet.ts';

/** Sends requests as the owner of the key. */
export interface Session {
  readonly http: Http;
  /** a token for other programs, with at least a minute to live */
  readonly token: () => Promise<string>;
  /** @returns an answer below 400 @throws Exit */
  send(asked: Asked): Promise<Response>;
  /** The answer's JSON, as the description of the API has it. */
  read<Answer>(asked: Asked): Promise<Answer>;
}

const tokenSeconds = 3_600;
/** A token is renewed this long before its end, so that it does not end on its way. */
const marginMs = 60_000;
/** Of two programs that sign at once one has to sign again. */
const mostSignatures = 4;

interface Token {
  readonly text: string;
  readonly endsAtMs: number;
}

const endOfToken = (text: string): number => {
  const [, payload = ''] = text.split('.');
  const { exp } = JSON.parse(Buffer.from(payload, 'base64url').toString()) as { exp?: unknown };
  return typeof exp === 'number' ? exp * 1_000 : 0;
};

const readNonce = async (http: Http, address: string): Promise<number> => {
  const response = await http.send({ path: '/api/services/nonce', query: { userAddress: address } });
  const { nonce } = (await response.json()) as { nonce: string };
  return Number(nonce) + 1;
};

const obtainToken = async (http: Http, { address, sign }: Signer): Promise<Token> => {
  for (let round = 1; ; round += 1) {
    const nonce = String(await readNonce(http, address));
    const signature = await sign(getBytes(id(`${address}${nonce}createAuthToken`)));
    const validUntil = Math.floor(Date.now() / 1_000) + tokenSeconds;
    const response = await http.send({
      method: 'POST',
      path: '/api/services/auth/token',
      body: { address, nonce, signature, validUntil },
    });
    if (response.ok) {
      const { token } = (await response.json()) as { token: string };
      return { text: token, endsAtMs: endOfToken(token) };
    }
    if (round === mostSignatures) throw await refusalOf(response);
    await response.body?.cancel();
  }
};

/** @param signer opened when the first call needs it */
export const createSession = (http: Http, openSigner: () => Promise<Signer>): Session => {
  let signer: Promise<Signer> | undefined;
  let token: Token | undefined;
  const current = async (): Promise<string> => {
    if (token === undefined || token.endsAtMs - marginMs < Date.now()) token = await obtainToken(http, await (signer ??= openSigner()));
    return token.text;
  };
  const send: Session['send'] = async (asked) => {
    const attempt = async () => http.send({ ...asked, headers: { ...asked.headers, authorization: `Bearer ${await current()}` } });
    const first = await attempt();
    if (first.status !== 401) return first;
    await first.body?.cancel();
    // it may have been invalidated, or its key replaced, meanwhile
    token = undefined;
    const second = await attempt();
    if (second.status === 401) throw await refusalOf(second);
    return second;
  };
  return {
    http,
    token: current,
    send,
    read: async <Answer>(asked: Asked) => (await (await send(asked)).json()) as Answer,
  };
};
