package cosmos

import (
	"context"
	"fmt"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/data/azcosmos"

	"bwv/internal/evidence"
)

// Find implements evidence.Catalogue; a limit outside 1 to 200 is Invalid.
func (s *Store) Find(ctx context.Context, shard string, q evidence.Query) ([]evidence.Record, error) {
	if q.Limit < 1 || q.Limit > 200 {
		return nil, fmt.Errorf("searching %s: limit %d is not 1 to 200: %w", shard, q.Limit, evidence.Invalid)
	}
	text, parameters := selection(q)
	var records []evidence.Record
	err := s.query(ctx, shard, text, int32(q.Limit), parameters, func(raw []byte) (bool, error) {
		r, err := decodeRecord(raw, "")
		if err != nil {
			return false, err
		}
		records = append(records, r)
		return len(records) < q.Limit, nil
	})
	if err != nil {
		return nil, fmt.Errorf("searching %s: %w", shard, err)
	}
	return records, nil
}

// selection writes the query; every value is a parameter. The order needs the composite index of infra/cosmos.json.
func selection(q evidence.Query) (string, []azcosmos.QueryParameter) {
	var where []string
	var parameters []azcosmos.QueryParameter
	is := func(condition, name, value string) {
		if value != "" {
			where = append(where, condition)
			parameters = append(parameters, azcosmos.QueryParameter{Name: name, Value: value})
		}
	}
	is("c.type = @type", "@type", "evidence")
	is("c.original.path = @path", "@path", q.Path)
	is("c.officer = @officer", "@officer", q.Officer)
	is("c.camera = @camera", "@camera", q.Camera)
	is("c.incident = @incident", "@incident", q.Incident)
	is("c.category = @category", "@category", q.Category)
	is("c.retention.state = @state", "@state", string(q.State))
	if !q.From.IsZero() {
		is("c.sort.started >= @from", "@from", sortKey(q.From))
	}
	if !q.To.IsZero() {
		is("c.sort.started < @to", "@to", sortKey(q.To))
	}
	if !q.FiresUntil.IsZero() {
		is("c.retention.state = @scheduled", "@scheduled", string(evidence.Scheduled))
		is("c.sort.fires < @fires", "@fires", sortKey(q.FiresUntil))
	}
	if q.Sequence != nil {
		// a sequence number of zero is left out of the document
		where = append(where, map[bool]string{true: "IS_DEFINED(c.retention.sequence)", false: "NOT IS_DEFINED(c.retention.sequence)"}[*q.Sequence])
	}
	if q.Attention {
		where = append(where, "IS_DEFINED(c.attention)") // an empty list is left out, too
	}
	if q.Unended {
		where = append(where, "IS_DEFINED(c.unended)")
	}
	if q.After != (evidence.Key{}) {
		is("(c.sort.created < @created OR (c.sort.created = @created AND c.id < @id))", "@created", sortKey(q.After.Created))
		parameters = append(parameters, azcosmos.QueryParameter{Name: "@id", Value: string(q.After.ID)})
	}
	return "SELECT * FROM c WHERE " + strings.Join(where, " AND ") + " ORDER BY c.sort.created DESC, c.id DESC", parameters
}
