import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { appendFile, open } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { run, succeed } from '../support/child.ts'
import { clientEnv } from '../support/client-env.ts'
import { type Holdfast, startHoldfast } from '../support/holdfast.ts'
import { describeWith } from '../support/program.ts'
import { createChance } from '../support/random.ts'

const chance = createChance(5)

describeWith('s3fs', 'an s3fs mount', () => {
  describe.each(['HTTP', 'TLS'])('over %s', transport => {
    let holdfast: Holdfast
    let mount: string
    beforeAll(async () => {
      holdfast = await startHoldfast({ tls: true, regions: [['in-mumbai', 'IN']] })
      await holdfast.s3.makeBucket('files')
      mount = join(holdfast.folder, 'mount')
      mkdirSync(mount)
      const { accessKeyId, secretAccessKey, region } = holdfast.credentials
      const passwd = join(holdfast.folder, 'passwd')
      writeFileSync(passwd, `${accessKeyId}:${secretAccessKey}\n`, { mode: 0o600 })
      const url = transport === 'TLS' ? holdfast.tlsEndpoint : holdfast.endpoint
      const options = [
        ...[`url=${url}`, 'use_path_request_style', `endpoint=${region}`, 'sigv4', `passwd_file=${passwd}`],
        ...(transport === 'TLS' ? ['no_check_certificate', 'ssl_verify_hostname=0'] : []),
      ]
      await succeed('s3fs', ['files', mount, '-o', options.join(',')], { env: clientEnv(holdfast) })
    })
    afterAll(async () => {
      await run('umount', ['-l', mount])
      await holdfast[Symbol.asyncDispose]()
    })

    it('writes, reads, renames, truncates, appends and deletes files', async () => {
      const at = (...path: string[]): string => join(mount, ...path)
      mkdirSync(at('folder'))
      const large = chance.bytes(12 << 20)
      writeFileSync(at('folder', 'large'), large)
      writeFileSync(at('folder', 'a name with spaces & ünïcödé'), 'small')
      expect(readdirSync(at('folder')).sort()).toEqual(['a name with spaces & ünïcödé', 'large'])
      expect(readFileSync(at('folder', 'large')).equals(large)).toBe(true)
      renameSync(at('folder', 'large'), at('folder', 'renamed'))
      expect(statSync(at('folder', 'renamed')).size).toBe(large.length)
      truncateSync(at('folder', 'renamed'), 1000)
      await appendFile(at('folder', 'renamed'), 'tail')
      expect(
        readFileSync(at('folder', 'renamed')).equals(
          Buffer.concat([large.subarray(0, 1000), Buffer.from('tail')]),
        ),
      ).toBe(true)
      {
        await using file = await open(at('folder', 'renamed'), 'r+')
        await file.write(Buffer.from('MIDDLE'), 0, 6, 500)
      }
      expect(readFileSync(at('folder', 'renamed')).subarray(500, 506).toString()).toBe('MIDDLE')
      // What the mount shows is what the store has.
      const { body } = await holdfast.s3.get('/files/folder/renamed')
      expect(body.subarray(500, 506).toString()).toBe('MIDDLE')
      rmSync(at('folder'), { recursive: true })
      expect(readdirSync(mount)).toEqual([])
    })
  })
})
