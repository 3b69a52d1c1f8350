// A certificate that nobody has reason to trust: made on the spot and signed by itself, for 127.0.0.1.
import { generateKeyPairSync, sign } from 'node:crypto';

// DER (X.690): tag, length, content.
function der(tag, ...parts) {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

const sequence = (...parts) => der(0x30, ...parts);
const integer = (value) => der(2, Buffer.from([value]));
const oid = (hex) => der(6, Buffer.from(hex, 'hex'));
const bits = (content) => der(3, Buffer.from([0]), content);
const time = (text) => der(0x18, Buffer.from(text));

// {key, cert} for an HTTPS server, in PEM.
export function selfSigned() {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const algorithm = sequence(oid('2a8648ce3d040302')); // ecdsa-with-SHA256
  const name = sequence(der(0x31, sequence(oid('550403'), der(12, Buffer.from('127.0.0.1')))));
  const address = sequence(oid('551d11'), der(4, sequence(der(0x87, Buffer.from([127, 0, 0, 1]))))); // subjectAltName
  const content = sequence(der(0xa0, integer(2)), integer(1), algorithm, name,
    sequence(time('20200101000000Z'), time('21200101000000Z')), name, publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(address)));
  const whole = sequence(content, algorithm, bits(sign('sha256', content, privateKey)));
  const cert = `-----BEGIN CERTIFICATE-----\n${whole.toString('base64').replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`;
  return { key: privateKey.export({ type: 'pkcs8', format: 'pem' }), cert };
}
