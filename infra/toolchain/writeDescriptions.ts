/** Writes docs/openapi from the routes as they are; `npm run format` brings the files into their form. */

import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { classicDescription } from '../../api/classic/app.ts';
import { classicRoutes } from '../../api/classic/routes.ts';
import { nodeRoutes } from '../../api/node/routes.ts';
import { operatorDescription } from '../../api/operator/app.ts';
import { operatorRoutes } from '../../api/operator/routes.ts';
import { describeApi } from '../../api/openapi.ts';
import { v1Routes } from '../../api/v1/routes.ts';
import { v1Description } from '../../api/v1/surface.ts';

const root = path.join(import.meta.dirname, '../..');
const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as { version: string };

const descriptions = {
  node: describeApi(nodeRoutes, version),
  v1: describeApi(v1Routes, version, v1Description),
  classic: describeApi(classicRoutes, version, classicDescription),
  operator: describeApi(operatorRoutes, version, operatorDescription),
};

for (const [name, description] of Object.entries(descriptions)) {
  writeFileSync(path.join(root, 'docs/openapi', `${name}.json`), `${JSON.stringify(description, null, 2)}\n`);
}
