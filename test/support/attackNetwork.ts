/** What programs of attempts speak with others by: each function rejects when nothing answers. Plain JavaScript. */

/** Goes before the attempts; needs what attacks.ts has. */
export const networkPrelude = `
const http = require('node:http'), https = require('node:https');
const patient = (start) => new Promise((resolve, reject) => {
  const late = setTimeout(() => reject(new Error('no answer')), 2500);
  late.unref();
  start(resolve, reject);
});
const asks = (url, headers = {}) => patient((resolve, reject) => {
  const client = url.startsWith('https:') ? https : http;
  client.get(url, { headers, rejectUnauthorized: false, agent: false, timeout: 2500 }, (res) => { res.resume(); resolve(res.statusCode) })
    .on('timeout', function () { this.destroy(new Error('no answer')) })
    .on('error', reject);
});
const exchanges = (port, host, bytes) => patient((resolve, reject) => {
  const socket = dgram.createSocket(host.includes(':') ? 'udp6' : 'udp4');
  const ask = () => socket.send(bytes, port, host, (err) => err && reject(err));
  const again = setTimeout(ask, 1000);
  socket.on('error', reject).on('message', (answer) => { clearTimeout(again); socket.close(); resolve(answer.length > 0) });
  ask();
});
const echoes = (port, host) => exchanges(port, host, 'echo');
const question = Buffer.concat([
  Buffer.from('c2d001000001000000000000', 'hex'),
  ...'kubernetes.default.svc.cluster.local'.split('.').map((part) => Buffer.from(String.fromCharCode(part.length) + part)),
  Buffer.from('0000010001', 'hex'),
]);
const asksName = (host) => exchanges(53, host, question);
const asksNameOverTcp = (host) => patient((resolve, reject) => {
  const socket = net.connect(53, host, () => socket.write(Buffer.concat([Buffer.from([0, question.length]), question])));
  socket.on('error', reject).once('data', () => { socket.destroy(); resolve(true) });
});
const routeGateway = () => {
  const [, , gateway] = fs.readFileSync('/proc/net/route', 'utf8').split('\\n').map((line) => line.split('\\t')).find(([, to]) => to === '00000000') ?? [];
  return Buffer.from(gateway, 'hex').reverse().join('.');
};
`;
