/** `POST /api/services/decrypt`: the document of an asset that was encrypted to this provider. */

import type { RequestHandler } from 'express';
import { z } from 'zod';
import { authenticate, isAbsent, isAddress } from '../authentication.ts';
import { readJson, requireJsonObject } from '../body.ts';
import type { ApiDeps, DecryptRequest } from '../ports.ts';
import { Refusal } from '../problems.ts';
import type { Route } from '../route.ts';
import { chainNumber } from './schemas.ts';

const input = z
  .looseObject({
    decrypterAddress: z.string(),
    chainId: z.union([z.number(), z.string()]),
    dataNftAddress: z.string(),
    nonce: z.union([z.string(), z.number()]),
    signature: z.string().nullish(),
    transactionId: z.string().nullish(),
    encryptedDocument: z.string().nullish(),
    flags: z.union([z.number(), z.string()]).nullish(),
    documentHash: z.string().nullish(),
  })
  .meta({ id: 'DecryptRequest', description: '`transactionId`, or `encryptedDocument` with `flags` and `documentHash`' });

type Body = Readonly<Record<string, unknown>>;

/** A number, its decimal text or its hex text; null for what is no byte. */
const readFlags = (value: unknown): number | null => {
  const flags = typeof value === 'string' && /^(0x[0-9a-f]{1,2}|\d{1,3})$/i.test(value) ? Number(value) : value;
  return typeof flags === 'number' && Number.isInteger(flags) && flags >= 0 && flags < 256 ? flags : null;
};

/** The document that a body names or brings; null for neither. */
export const readDocument = ({ transactionId, encryptedDocument, flags, documentHash }: Body): DecryptRequest['document'] => {
  if (typeof transactionId === 'string' && !isAbsent(transactionId)) return { transactionId };
  const bits = readFlags(flags);
  if (typeof encryptedDocument !== 'string' || typeof documentHash !== 'string' || bits === null) return null;
  return { encryptedDocument, flags: bits, documentHash };
};

const requireFields = (body: Body, names: readonly string[]): void => {
  const missing = names.find((name) => isAbsent(body[name]));
  if (missing === undefined) return;
  throw new Refusal(
    400,
    `Missing one ( "${missing}" ) or more required field(s) for command: "decryptDDO". Required fields: ${names.join(',')}`,
  );
};

/** Answers the plaintext as it was published. */
export const decryptDocument = (deps: Pick<ApiDeps, 'assets' | 'ledger' | 'tokens' | 'authorizedDecrypters'>): RequestHandler =>
  async function decryptDocument(req, res) {
    const { exact, plain } = requireJsonObject(req);
    requireFields(plain, ['decrypterAddress', 'chainId', 'dataNftAddress']);
    const { decrypterAddress, dataNftAddress: nftAddress } = plain;
    if (!isAddress(decrypterAddress)) throw new Refusal(400, 'Parameter : "decrypterAddress" is not a valid web3 address');
    if (!isAddress(nftAddress)) throw new Refusal(400, 'Parameter : "dataNftAddress" is not a valid web3 address');
    const chainId = chainNumber.safeParse(plain['chainId']);
    const { nonce, signature } = exact;
    const claim = {
      consumerAddress: decrypterAddress,
      nonce,
      signature,
      authorization: req.get('authorization'),
      chainId: plain['chainId'],
    };
    await authenticate(deps, claim, 'decryptDDO');
    if (!chainId.success) throw new Refusal(400, 'Unsupported chain ID: it is no number');
    const document = await deps.assets.decryptDocument({
      ...{ chainId: chainId.data, nftAddress, decrypterAddress, document: readDocument(plain) },
      authorizedDecrypters: deps.authorizedDecrypters,
    });
    res.set('Cache-Control', 'private, no-store').type('text/plain').send(Buffer.from(document));
  };

export const decryptRoute: Route = {
  method: 'post',
  path: '/api/services/decrypt',
  id: 'decryptDocument',
  summary: 'The document of an asset, decrypted',
  description: 'Signed: `decrypterAddress + nonce + "decryptDDO"`, or with a token.',
  body: { contentType: 'application/json', schema: input },
  answers: { 200: { description: 'The document', contentType: 'text/plain', schema: z.string() } },
  refusals: [400, 401, 403, 413, 503],
  handle: (deps) => [...readJson(deps.limits.jsonBytes), decryptDocument(deps)],
};
