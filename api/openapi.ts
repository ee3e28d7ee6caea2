/** The OpenAPI 3.1 description of the API, made from the routes and the schemas that check them. */

import { OpenAPIRegistry, OpenApiGeneratorV31, extendZodWithOpenApi, type RouteConfig } from '@asteasolutions/zod-to-openapi';
import { z } from 'zod';
import { errorAnswer } from './node/schemas.ts';
import type { Route } from './route.ts';

extendZodWithOpenApi(z);

const refusalTexts: Readonly<Record<number, string>> = {
  400: 'Malformed, or refused by a rule',
  401: 'Signature, nonce or token is not good',
  403: 'Access denied',
  404: 'Unknown job, result, DID or service',
  405: 'Method not allowed',
  409: 'Too early: repeat the request',
  413: 'The body is too large',
  416: 'The range begins behind the end of the file',
  500: 'The service failed',
  503: 'Something that the service depends on is not available: repeat the request later',
};

/** A route as far as it is described. */
type DescribedRoute = Omit<Route, 'handle'>;

/** What a description says about an API as a whole. */
export interface ApiAbout {
  readonly title: string;
  readonly description: string;
  /** of errors, where a route does not say otherwise */
  readonly error: z.ZodType;
}

const aboutNode: ApiAbout = {
  title: 'durable-c2d, node-style Provider API',
  description:
    'Compute-to-Data for Ocean Protocol. Signed calls sign `consumerAddress + nonce + command`; a nonce is above the last one used by the address.',
  error: errorAnswer,
};

const describeRefusals = ({ refusals, errorShape }: DescribedRoute, error: z.ZodType): RouteConfig['responses'] => {
  const schema = errorShape === 'text' ? z.string() : error;
  return Object.fromEntries(
    [...refusals, 500].map((status) => [
      status,
      { description: refusalTexts[status] ?? 'Refused', content: { 'application/json': { schema } } },
    ]),
  );
};

const describeAnswers = ({ answers }: DescribedRoute): RouteConfig['responses'] =>
  Object.fromEntries(
    Object.entries(answers).map(([status, { description, contentType, schema }]) => [
      status,
      { description, content: { [contentType]: { schema } } },
    ]),
  );

const describeRoute = (route: DescribedRoute, error: z.ZodType): RouteConfig => ({
  method: route.method,
  path: route.path.replaceAll(/:(\w+)/g, '{$1}'),
  operationId: route.id,
  summary: route.summary,
  ...(route.description !== undefined && { description: route.description }),
  request: {
    ...(route.query && { query: route.query }),
    ...(route.params && { params: route.params }),
    ...(route.body && { body: { required: true, content: { [route.body.contentType]: { schema: route.body.schema } } } }),
  },
  responses: { ...describeAnswers(route), ...describeRefusals(route, error) },
});

/**
 * The description of `routes` and of nothing else.
 * @returns a JSON document; server addresses are relative to where it is served
 */
export const describeApi = (routes: readonly DescribedRoute[], version: string, about: ApiAbout = aboutNode) => {
  const registry = new OpenAPIRegistry();
  for (const route of routes) registry.registerPath(describeRoute(route, about.error));
  return new OpenApiGeneratorV31(registry.definitions).generateDocument({
    openapi: '3.1.0',
    info: {
      title: about.title,
      version,
      description: about.description,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '..' }],
  });
};
