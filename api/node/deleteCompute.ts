/** `DELETE /api/services/compute`: listed in the discovery for old clients, offered by no node. */

import type { RequestHandler } from 'express';
import { Refusal } from '../problems.ts';
import type { Route } from '../route.ts';

const deleteCompute: RequestHandler = function deleteCompute() {
  throw new Refusal(404, 'Not yet implemented!');
};

export const deleteComputeRoute: Route = {
  method: 'delete',
  path: '/api/services/compute',
  id: 'deleteCompute',
  summary: 'Not offered; jobs and results expire by themselves',
  answers: {},
  refusals: [404],
  handle: () => [deleteCompute],
};
