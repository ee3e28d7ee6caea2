#!/usr/bin/env node
/** The program `c2d`. */

import { readFileSync } from 'node:fs';
import { runProgram } from './program.ts';

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string };
const { C2D_URL, C2D_KEY_FILE, C2D_KEYSTORE, C2D_PASSWORD_FILE } = process.env;

// whoever reads the output may have had enough: `c2d logs … | head`
process.stdout.on('error', (err: NodeJS.ErrnoException) => {
  if (err.code === 'EPIPE') process.exit(0);
  throw err;
});

const { stdin, stdout, stderr } = process;
const settings = { C2D_URL, C2D_KEY_FILE, C2D_KEYSTORE, C2D_PASSWORD_FILE };
process.exitCode = await runProgram(process.argv.slice(2), { stdin, stdout, stderr, settings }, version);
