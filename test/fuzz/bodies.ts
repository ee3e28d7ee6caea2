/** Requests that are good. Their signatures and nonces are completed on the way. */

import { hexlify, sha256, toUtf8Bytes } from 'ethers';
import { aStage } from '../api/operator/support/operatorWorld.ts';
import { container } from '../infra/ocean/support/world.ts';
import { aTransaction } from '../support/builders.ts';
import { inSeconds, type Assets } from './assets.ts';
import type { Service } from './service.ts';
import { openSignature } from './signing.ts';

const raw = { meta: { rawcode: 'console.log(1)', container } };
const free = { environment: 'small', algorithm: raw, resources: [{ id: 'cpu', amount: 1 }] };
const signature = { nonce: '1', signature: openSignature };

const decryptionOf = (decrypterAddress: string, dataNftAddress: string) => {
  const document = toUtf8Bytes('{"id":"did:op:1"}');
  const plain = { encryptedDocument: hexlify(document), flags: 0, documentHash: sha256(document) };
  return { ...plain, ...signature, decrypterAddress, chainId: 8996, dataNftAddress };
};

/** By API, and by `POST /path`. */
export const bodiesOf = ({ classic, provider }: Service, { dataset, algorithm, file, nftAddress }: Assets) => {
  const { chain, files } = classic.world;
  const consumerAddress = chain.accounts.consumer.address;
  const fileObject = { type: 'url', url: files.serve('0123456789'), method: 'GET' };
  const questions = [
    fileObject,
    { ...fileObject, url: 'https://example.com/data.csv' },
    { did: file.documentId, serviceId: file.serviceId, checksum: true },
  ];
  const decrypt = [decryptionOf(consumerAddress, nftAddress)];
  const payment = { chainId: 8996, token: chain.contracts.ocean, maxJobDuration: 60, resources: [] };
  const paid = { environment: 'small', datasets: [dataset], algorithm, maxJobDuration: 60 };
  const quoteFor = (env: string) => ({ datasets: [dataset], algorithm, consumerAddress, compute: { env, validUntil: inSeconds(3_000) } });
  const operatorStart = () => ({
    ...{ workflow: { stages: [aStage()] }, providerSignature: openSignature, nonce: '1', agreementId: aTransaction() },
    ...{ owner: consumerAddress, providerAddress: provider.address, environment: 'small', chainId: 8996 },
  });
  return {
    node: {
      'POST /api/services/initializeCompute': [{ ...paid, payment, consumerAddress }],
      'POST /api/services/compute': [{ ...signature, ...paid, consumerAddress, chainId: 8996, payment }],
      'POST /api/services/freeCompute': [{ ...signature, ...free, consumerAddress, datasets: [] }],
      'POST /api/services/fileInfo': questions,
      'POST /api/services/decrypt': decrypt,
      'POST /api/services/auth/token': [{ ...signature, address: consumerAddress }],
    },
    v1: {
      'POST /api/v1/checks': [{ ...free, free: true }, paid],
      'POST /api/v1/jobs': [{ ...free, free: true }, paid],
    },
    classic: {
      'POST /api/services/decrypt': decrypt,
      'POST /api/services/fileinfo': questions,
      'POST /api/services/initializeCompute': [quoteFor('small'), quoteFor('paid')],
      'POST /api/services/compute': [{ ...signature, consumerAddress, environment: 'small', dataset, algorithm }],
      'POST /api/services/validateContainer': [container],
    },
    operator: { 'POST /api/v1/operator/compute': [operatorStart(), operatorStart(), operatorStart(), operatorStart()] },
  };
};
