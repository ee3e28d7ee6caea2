/** A consumer of tests: signs as ocean.js 8 does, and judges every answer by the schemas of the description. */

import { Wallet, getBytes, id } from 'ethers';
import type { Express } from 'express';
import request, { type Response, type Test } from 'supertest';
import { z } from 'zod';
import { nodeRoutes } from '../../../api/node/routes.ts';
import { errorAnswer } from '../../../api/node/schemas.ts';
import type { SignedCommand } from '../../../api/authentication.ts';

/** The text of signing `consumerAddress + nonce + command`. */
export const sign = (wallet: Wallet, nonce: string | number, command: SignedCommand): string =>
  wallet.signMessageSync(getBytes(id(`${wallet.address}${nonce}${command}`)));

/** Query parameters of a signed call. */
export const signed = (wallet: Wallet, nonce: string | number, command: SignedCommand) => ({
  consumerAddress: wallet.address,
  nonce: String(nonce),
  signature: sign(wallet, nonce, command),
});

const routeOf = (method: string, path: string) =>
  nodeRoutes.find((route) => route.method === method && new RegExp(`^${route.path.replaceAll(/:\w+/g, '[^/]+')}$`).test(path));

/** Fails unless the description allows this answer of this call. */
export const judge = (method: string, path: string, { status, body, text, type }: Response): void => {
  const route = routeOf(method, path);
  if (route === undefined) throw new Error(`${method} ${path} is no route`);
  const answer = route.answers[status];
  if (answer === undefined) {
    expect([...route.refusals, 429, 500, 503]).toContain(status);
    expect(type).toBe('application/json');
    (route.errorShape === 'text' ? z.string() : errorAnswer).parse(body);
  } else if (answer.contentType === 'application/json') {
    expect(type).toBe('application/json');
    answer.schema.parse(body);
  } else if (answer.contentType === 'text/plain') answer.schema.parse(text);
};

type Method = 'get' | 'post' | 'put' | 'delete';

/** Sends a request and judges the answer. */
export const call = async (
  app: Express,
  method: Method,
  path: string,
  refine: (test: Test) => Test = (test) => test,
): Promise<Response> => {
  const response = await refine(request(app)[method](path));
  judge(method, path, response);
  return response;
};

/** Sends JSON text exactly as given. */
export const post = (app: Express, path: string, body: unknown): Promise<Response> =>
  call(app, 'post', path, (test) =>
    test.set('Content-Type', 'application/json').send(typeof body === 'string' ? body : JSON.stringify(body)),
  );

export const aWallet = (): Wallet => new Wallet(Wallet.createRandom().privateKey);
