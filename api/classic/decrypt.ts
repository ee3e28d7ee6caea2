/** `POST /api/services/decrypt`: the document of an asset that was encrypted to this provider. Classic Provider API §10. */

import type { RequestHandler } from 'express';
import { z } from 'zod';
import { isAddress } from '../authentication.ts';
import { readDocument } from '../node/decrypt.ts';
import { Refusal } from '../problems.ts';
import { isEmpty, required } from './fields.ts';
import type { ClassicDeps, ClassicRoute } from './ports.ts';
import { dataOf, readRequestData, signedPart, textOf } from './requestData.ts';
import { classicDecrypt } from './schemas.ts';
import { spendCall, verifyCall } from './signature.ts';

type Data = Readonly<Record<string, unknown>>;

const rules = { chainId: [required], dataNftAddress: [required] };

const messageOf = (data: Data): string => {
  const { transactionId, dataNftAddress, decrypterAddress, chainId } = data;
  return [isEmpty(transactionId) ? dataNftAddress : transactionId, decrypterAddress, chainId].map(signedPart).join('');
};

const readChain = (data: Data): number => {
  const text = textOf(data['chainId']) ?? '';
  if (!/^[1-9]\d{0,14}$/.test(text)) throw new Refusal(400, `Unsupported chain ID ${text.slice(0, 40)}`);
  return Number(text);
};

/** The nonce is spent first; then the rules of the document, in their order. */
export const decryptClassic = (deps: ClassicDeps): RequestHandler =>
  async function decryptClassic(req, res) {
    const { exact, plain } = dataOf(res);
    const call = { data: exact, addressField: 'decrypterAddress', message: messageOf(plain), token: req.get('AuthToken') };
    const caller = await verifyCall(deps, call, rules);
    await spendCall(deps, caller);
    const chainId = readChain(plain);
    const nftAddress = textOf(plain['dataNftAddress']) ?? '';
    if (!isAddress(nftAddress)) throw new Refusal(400, 'Asset not deployed by the data NFT factory.');
    const document = await deps.assets.decryptDocument({
      ...{ chainId, nftAddress, decrypterAddress: caller.address, document: readDocument(plain) },
      authorizedDecrypters: deps.authorizedDecrypters,
    });
    res.status(201).set('Cache-Control', 'private, no-store').type('text/plain').send(Buffer.from(document));
  };

export const classicDecryptRoute: ClassicRoute = {
  method: 'post',
  path: '/api/services/decrypt',
  id: 'decrypt',
  summary: 'The document of an asset, decrypted',
  description: 'Signed: `(transactionId or dataNftAddress) + decrypterAddress + chainId + nonce`.',
  body: { contentType: 'application/json', schema: classicDecrypt },
  answers: { 201: { description: 'The document', contentType: 'text/plain', schema: z.string() } },
  refusals: [400, 403, 413, 503],
  handle: (deps) => [...readRequestData(deps.limits.jsonBytes), decryptClassic(deps)],
};
