/** The OpenAPI 3.1 description of the API, made from the routes and the schemas that check them. */

import { OpenAPIRegistry, OpenApiGeneratorV31, extendZodWithOpenApi, type RouteConfig } from '@asteasolutions/zod-to-openapi';
import { z } from 'zod';
import { errorAnswer } from './node/schemas.ts';
import { correctForms } from './openapiForms.ts';
import type { Route } from './route.ts';

extendZodWithOpenApi(z);

const refusalTexts: Readonly<Record<number, string>> = {
  400: 'Malformed, or refused by a rule',
  401: 'Signature, nonce or token is not good',
  403: 'Access denied',
  404: 'Unknown job, result, DID or service',
  405: 'Method not allowed',
  415: 'The encoding of the body is not supported',
  422: 'The key belongs to another request',
  409: 'Too early: repeat the request',
  413: 'The body is too large',
  416: 'The range begins behind the end of the file',
  429: 'Too many requests: Retry-After tells when to try again',
  500: 'The service failed',
  503: 'Something that the service depends on is not available: repeat the request later',
};

/** What a description says of its surface as a whole. */
export interface ApiDescription {
  readonly title: string;
  readonly description: string;
  /** relative to where the description is served */
  readonly servers: readonly { readonly url: string }[];
  /** body of a refusal, by content type */
  refusal(route: Route): Readonly<Record<string, { readonly schema: z.ZodType }>>;
}

/** The node-style surface. */
export const nodeDescription: ApiDescription = {
  title: 'durable-c2d, node-style Provider API',
  description:
    'Compute-to-Data for Ocean Protocol. Signed calls sign `consumerAddress + nonce + command`; a nonce is above the last one used by the address.',
  servers: [{ url: '..' }],
  refusal: ({ errorShape }) => ({ 'application/json': { schema: errorShape === 'text' ? z.string() : errorAnswer } }),
};

const describeRefusals = (route: Route, about: ApiDescription): RouteConfig['responses'] =>
  Object.fromEntries(
    [...new Set([...route.refusals, 429, 500, 503])].map((status) => [
      status,
      { description: refusalTexts[status] ?? 'Refused', content: about.refusal(route) },
    ]),
  );

const describeAnswers = ({ answers }: Route): RouteConfig['responses'] =>
  Object.fromEntries(
    Object.entries(answers).map(([status, { description, contentType, schema }]) => [
      status,
      { description, content: { [contentType]: { schema } } },
    ]),
  );

const describeRoute = (route: Route, about: ApiDescription): RouteConfig => ({
  method: route.method,
  path: route.path.replaceAll(/:(\w+)/g, '{$1}'),
  operationId: route.id,
  summary: route.summary,
  ...(route.description !== undefined && { description: route.description }),
  ...(route.needsToken === true && { security: [{ token: [] }] }),
  request: {
    ...(route.query && { query: route.query }),
    ...(route.params && { params: route.params }),
    ...(route.headers && { headers: route.headers }),
    ...(route.body && { body: { required: true, content: { [route.body.contentType]: { schema: route.body.schema } } } }),
  },
  responses: { ...describeAnswers(route), ...describeRefusals(route, about) },
});

/**
 * The description of `routes` and of nothing else.
 * @returns a JSON document; server addresses are relative to where it is served
 */
export const describeApi = (routes: readonly Route[], version: string, about: ApiDescription = nodeDescription) => {
  const registry = new OpenAPIRegistry();
  for (const route of routes) registry.registerPath(describeRoute(route, about));
  if (routes.some(({ needsToken }) => needsToken === true))
    registry.registerComponent('securitySchemes', 'token', { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' });
  const document = new OpenApiGeneratorV31(registry.definitions).generateDocument({
    openapi: '3.1.0',
    info: {
      title: about.title,
      version,
      description: about.description,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [...about.servers],
  });
  return correctForms(document);
};
