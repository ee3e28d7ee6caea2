/** `POST /api/services/initializeCompute`: what a job will cost and what has to be ordered first. Unsigned. */

import type { RequestHandler } from 'express';
import { readJson, requireJsonObject } from '../body.ts';
import { badAddressText, isAbsent, isAddress } from '../authentication.ts';
import { isJsonObject } from '../losslessJson.ts';
import type { ApiDeps, ComputeEnvironment, QuoteRequest } from '../ports.ts';
import { Refusal } from '../problems.ts';
import type { Route } from '../route.ts';
import { pricedChainsOf } from './environmentView.ts';
import { requireEnvironment, requireOffered } from './environments.ts';
import { readAlgorithm, readDataset, readResources, refuseUnoffered } from './requestParts.ts';
import { chainNumber, initializeAnswer, initializeInput } from './schemas.ts';
import { openRegistryAuth, readSealed } from './sealedFields.ts';

type Body = Readonly<Record<string, unknown>>;

const isMissingDid = (dataset: unknown): boolean =>
  !isJsonObject(dataset) || (isAbsent(dataset['documentId']) && isAbsent(dataset['fileObject']));

/** The texts of other providers, in their order; clients show them as they are. */
const assertKnownTexts = (body: Body): void => {
  const { algorithm, datasets, consumerAddress, payment, maxJobDuration, environment } = body;
  const refuse = (message: string): never => {
    throw new Refusal(400, message);
  };
  if (isAbsent(algorithm)) refuse('Missing algorithm');
  if (Array.isArray(datasets) && datasets.some(isMissingDid)) refuse('Missing dataset did');
  if (!isAddress(consumerAddress)) refuse(badAddressText);
  if (!isJsonObject(payment) || !isAddress(payment['token']) || !chainNumber.safeParse(payment['chainId']).success) {
    refuse('Invalid payment options');
  }
  if (typeof maxJobDuration !== 'number' || maxJobDuration <= 0) refuse('Invalid maxJobDuration');
  if (typeof environment !== 'string') refuse('Invalid C2D Environment');
};

interface Question {
  readonly request: QuoteRequest;
  readonly environment: ComputeEnvironment;
}

/**
 * The question behind an initializeCompute body.
 * @throws Refusal or ZodError, 400 either way, with the texts of the node-style Provider API §5
 */
export const readQuoteRequest = (body: Body, { environments, chains }: Pick<ApiDeps, 'environments' | 'chains'>): Question => {
  assertKnownTexts(body);
  const request = initializeInput.parse({ datasets: [], ...body });
  refuseUnoffered(body);
  const environment = requireEnvironment(environments, request.environment);
  const { chainId, token } = request.payment;
  if (!chains.some((chain) => chain.chainId === chainId)) throw new Refusal(400, `Cannot handle payments on chainId: ${chainId}`);
  const isAccepted = pricedChainsOf(environment, chains).some(
    (offer) => offer.chainId === chainId && (offer.feeToken === null || offer.feeToken.toLowerCase() === token.toLowerCase()),
  );
  if (!isAccepted) throw new Refusal(400, `This compute env does not accept payments on chain: ${chainId} using token ${token}`);
  // what the environment cannot give is refused before anybody pays
  const resources = readResources({ environment, isFree: false }, request.payment.resources ?? []);
  const quoted: QuoteRequest = {
    surface: 'node',
    consumerAddress: request.consumerAddress,
    datasets: request.datasets.map(readDataset),
    algorithm: readAlgorithm(request.algorithm),
    payment: { chainId, token, resources },
    maxJobDuration: Math.min(environment.maxJobDuration, Math.max(environment.minJobDuration, Math.ceil(request.maxJobDuration))),
    queueMaxWaitTime: Math.min(environment.maxQueueTime, Math.ceil(request.queueMaxWaitTime ?? 0)),
    validUntil: null,
  };
  return { request: quoted, environment };
};

/** Answers the datatokens to order, the provider's fees for them, and the amount to lock. */
export const initializeCompute = (
  deps: Pick<ApiDeps, 'assets' | 'environments' | 'withdrawals' | 'chains' | 'takesRegistryCredentials' | 'deliveryRefusal'>,
): RequestHandler =>
  async function initializeCompute(req, res) {
    const { plain } = requireJsonObject(req);
    const { request, environment } = readQuoteRequest(plain, deps);
    const { target } = readSealed(deps.assets, plain);
    // clients of this API have no way to encrypt results to a public key
    const refusal = target === null ? null : deps.deliveryRefusal({ environment, isEncrypted: false });
    if (refusal !== null) throw new Refusal(400, refusal);
    openRegistryAuth(deps, plain['encryptedDockerRegistryAuth']);
    await requireOffered(deps.withdrawals, environment);
    const { datasets, algorithm, payment } = await deps.assets.quote(request, environment);
    // a bare file object needs no order
    res.json({ algorithm, datasets: datasets.filter((dataset) => dataset !== null), payment });
  };

export const initializeComputeRoute: Route = {
  method: 'post',
  path: '/api/services/initializeCompute',
  id: 'initializeCompute',
  summary: 'Price of a job, and the orders it needs',
  body: { contentType: 'application/json', schema: initializeInput },
  answers: { 200: { description: 'Orders and payment', contentType: 'application/json', schema: initializeAnswer } },
  refusals: [400, 403, 404, 413, 503],
  handle: (deps) => [...readJson(deps.limits.jsonBytes), initializeCompute(deps)],
};
