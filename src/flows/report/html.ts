import type { AuditReport } from './report-types.ts'
export function htmlReport(report: AuditReport): string {
  return report.format
}
