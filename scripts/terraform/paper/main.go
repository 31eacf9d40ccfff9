// A provider of Terraform that makes nothing: it has every type of the AWS provider with its arguments, checks what is
// written of them as Terraform does, and on `apply` says what AWS would say, with names made from those that were given.
// So `validate`, `plan`, `apply` and `destroy` run without an account. It does not know which values AWS takes.
//
// SCHEMA names the file that schema.py makes.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6/tf6server"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

type attribute struct {
	Type any    `json:"type"`
	Use  string `json:"use"`
}

type block struct {
	Single     bool                 `json:"single"`
	Required   bool                 `json:"required"`
	Attributes map[string]attribute `json:"attributes"`
	Blocks     map[string]block     `json:"blocks"`
}

type known struct {
	Provider    block            `json:"provider"`
	Resources   map[string]block `json:"resources"`
	DataSources map[string]block `json:"data-sources"`
}

// What data sources say that know of the account and the region.
var told = map[string]map[string]any{
	"aws_caller_identity":    {"account_id": "123456789012"},
	"aws_partition":          {"partition": "aws", "dns_suffix": "amazonaws.com"},
	"aws_region":             {"region": "eu-central-1", "name": "eu-central-1"},
	"aws_availability_zones": {"names": []string{"eu-central-1a", "eu-central-1b", "eu-central-1c"}},
}

// What AWS says of a thing although somebody might have: the provider's schema tells of neither.
var said = map[string]map[string]any{
	"aws_vpc":          {"ipv6_cidr_block": "2001:db8:1234:1a00::/56"},
	"aws_vpc_endpoint": {"prefix_list_id": "pl-0123456789abcdef0"},
}

func kind(word any) tftypes.Type {
	switch it := word.(type) {
	case string:
		return map[string]tftypes.Type{
			"string": tftypes.String, "number": tftypes.Number, "bool": tftypes.Bool, "dynamic": tftypes.DynamicPseudoType,
		}[it]
	case []any:
		if inner := kind(it[1]); it[0] == "map" {
			return tftypes.Map{ElementType: inner}
		} else if inner.Is(tftypes.DynamicPseudoType) {
			return inner
		} else {
			return tftypes.List{ElementType: inner}
		}
	}
	panic(fmt.Sprintf("a type %v", word))
}

func (b block) schema() *tfprotov6.SchemaBlock {
	made := &tfprotov6.SchemaBlock{}
	for _, name := range slices.Sorted(maps.Keys(b.Attributes)) {
		it := b.Attributes[name]
		made.Attributes = append(made.Attributes, &tfprotov6.SchemaAttribute{
			Name: name, Type: kind(it.Type), Required: it.Use == "required",
			Optional: it.Use == "optional" || it.Use == "either", Computed: it.Use == "computed" || it.Use == "either",
		})
	}
	for _, name := range slices.Sorted(maps.Keys(b.Blocks)) {
		it := b.Blocks[name]
		nested := &tfprotov6.SchemaNestedBlock{TypeName: name, Block: it.schema(), Nesting: tfprotov6.SchemaNestedBlockNestingModeList}
		if it.Single {
			nested.MaxItems = 1
		}
		if it.Required {
			nested.MinItems = 1
		}
		if name == "timeouts" {
			nested.Nesting, nested.MaxItems = tfprotov6.SchemaNestedBlockNestingModeSingle, 0
		}
		made.BlockTypes = append(made.BlockTypes, nested)
	}
	return made
}

func schemas(of map[string]block) map[string]*tfprotov6.Schema {
	made := map[string]*tfprotov6.Schema{}
	for name, it := range of {
		made[name] = &tfprotov6.Schema{Block: it.schema()}
	}
	return made
}

// paper answers what is asked here; the rest of the protocol is never asked of it.
type paper struct {
	tfprotov6.ProviderServer
	known  known
	schema *tfprotov6.GetProviderSchemaResponse
}

func (p *paper) GetProviderSchema(context.Context, *tfprotov6.GetProviderSchemaRequest) (*tfprotov6.GetProviderSchemaResponse, error) {
	return p.schema, nil
}

func (p *paper) GetResourceIdentitySchemas(context.Context, *tfprotov6.GetResourceIdentitySchemasRequest) (*tfprotov6.GetResourceIdentitySchemasResponse, error) {
	return &tfprotov6.GetResourceIdentitySchemasResponse{}, nil
}

func (p *paper) ValidateProviderConfig(_ context.Context, r *tfprotov6.ValidateProviderConfigRequest) (*tfprotov6.ValidateProviderConfigResponse, error) {
	return &tfprotov6.ValidateProviderConfigResponse{PreparedConfig: r.Config}, nil
}

func (p *paper) ConfigureProvider(context.Context, *tfprotov6.ConfigureProviderRequest) (*tfprotov6.ConfigureProviderResponse, error) {
	return &tfprotov6.ConfigureProviderResponse{}, nil
}

func (p *paper) StopProvider(context.Context, *tfprotov6.StopProviderRequest) (*tfprotov6.StopProviderResponse, error) {
	return &tfprotov6.StopProviderResponse{}, nil
}

func (p *paper) ValidateResourceConfig(context.Context, *tfprotov6.ValidateResourceConfigRequest) (*tfprotov6.ValidateResourceConfigResponse, error) {
	return &tfprotov6.ValidateResourceConfigResponse{}, nil
}

func (p *paper) ValidateDataResourceConfig(context.Context, *tfprotov6.ValidateDataResourceConfigRequest) (*tfprotov6.ValidateDataResourceConfigResponse, error) {
	return &tfprotov6.ValidateDataResourceConfigResponse{}, nil
}

func (p *paper) UpgradeResourceState(_ context.Context, r *tfprotov6.UpgradeResourceStateRequest) (*tfprotov6.UpgradeResourceStateResponse, error) {
	of := p.schema.ResourceSchemas[r.TypeName].ValueType()
	value, err := r.RawState.Unmarshal(of)
	if err != nil {
		return nil, err
	}
	state, err := tfprotov6.NewDynamicValue(of, value)
	return &tfprotov6.UpgradeResourceStateResponse{UpgradedState: &state}, err
}

func (p *paper) ReadResource(_ context.Context, r *tfprotov6.ReadResourceRequest) (*tfprotov6.ReadResourceResponse, error) {
	return &tfprotov6.ReadResourceResponse{NewState: r.CurrentState}, nil
}

func (p *paper) ReadDataSource(_ context.Context, r *tfprotov6.ReadDataSourceRequest) (*tfprotov6.ReadDataSourceResponse, error) {
	state, err := filled(r.Config, p.schema.DataSourceSchemas[r.TypeName].ValueType(), absent, func(name string, of tftypes.Type) tftypes.Value {
		if said, ok := told[r.TypeName][name]; ok {
			return value(of, said)
		}
		return tftypes.NewValue(of, nil)
	})
	return &tfprotov6.ReadDataSourceResponse{State: state}, err
}

// PlanResourceChange leaves open what only AWS can say, until it has.
func (p *paper) PlanResourceChange(_ context.Context, r *tfprotov6.PlanResourceChangeRequest) (*tfprotov6.PlanResourceChangeResponse, error) {
	own := p.known.Resources[r.TypeName].Attributes
	of := p.schema.ResourceSchemas[r.TypeName].ValueType()
	before, err := r.PriorState.Unmarshal(of)
	if err != nil {
		return nil, err
	}
	var had map[string]tftypes.Value
	if err := before.As(&had); err != nil {
		return nil, err
	}
	state, err := filled(r.ProposedNewState, of, absent, func(name string, of tftypes.Type) tftypes.Value {
		_, late := said[r.TypeName][name]
		if use := own[name].Use; late || use == "computed" || use == "either" {
			if it, ok := had[name]; ok {
				return it
			}
			return tftypes.NewValue(of, tftypes.UnknownValue)
		}
		return tftypes.NewValue(of, nil)
	})
	return &tfprotov6.PlanResourceChangeResponse{PlannedState: state, UnsafeToUseLegacyTypeSystem: true}, err
}

// ApplyResourceChange says what AWS would, by the name of the thing.
func (p *paper) ApplyResourceChange(_ context.Context, r *tfprotov6.ApplyResourceChangeRequest) (*tfprotov6.ApplyResourceChangeResponse, error) {
	of := p.schema.ResourceSchemas[r.TypeName].ValueType()
	planned, err := r.PlannedState.Unmarshal(of)
	if err != nil || planned.IsNull() {
		return &tfprotov6.ApplyResourceChangeResponse{NewState: r.PlannedState}, err
	}
	own := called(planned)
	state, err := filled(r.PlannedState, of, open, func(name string, of tftypes.Type) tftypes.Value {
		if it, ok := said[r.TypeName][name]; ok {
			return value(of, it)
		}
		switch {
		case name == "arn":
			return tftypes.NewValue(of, "arn:aws:"+r.TypeName[len("aws_"):]+":eu-central-1:123456789012:"+own)
		case of.Is(tftypes.String):
			return tftypes.NewValue(of, r.TypeName+"."+own+"."+name)
		case of.Is(tftypes.Number):
			return tftypes.NewValue(of, 1)
		case of.Is(tftypes.Bool):
			return tftypes.NewValue(of, false)
		}
		return tftypes.NewValue(of, nil)
	})
	return &tfprotov6.ApplyResourceChangeResponse{NewState: state, UnsafeToUseLegacyTypeSystem: true}, err
}

// called is the name that somebody gave the thing.
func called(planned tftypes.Value) string {
	var all map[string]tftypes.Value
	if planned.As(&all) == nil {
		for _, name := range []string{"name", "function_name", "bucket", "family", "description"} {
			var text string
			if it, ok := all[name]; ok && it.IsKnown() && !it.IsNull() && it.As(&text) == nil {
				return text
			}
		}
	}
	return "it"
}

type lacks func(tftypes.Value) bool

func absent(it tftypes.Value) bool { return it.IsKnown() && it.IsNull() }
func open(it tftypes.Value) bool   { return !it.IsKnown() }

// filled puts something in the place of each attribute that lacks it.
func filled(from *tfprotov6.DynamicValue, of tftypes.Type, it lacks, with func(string, tftypes.Type) tftypes.Value) (*tfprotov6.DynamicValue, error) {
	proposed, err := from.Unmarshal(of)
	if err != nil || proposed.IsNull() {
		return from, err
	}
	var all map[string]tftypes.Value
	if err := proposed.As(&all); err != nil {
		return nil, err
	}
	for name, now := range all {
		if it(now) {
			all[name] = with(name, of.(tftypes.Object).AttributeTypes[name])
		}
	}
	made, err := tfprotov6.NewDynamicValue(of, tftypes.NewValue(of, all))
	return &made, err
}

func value(of tftypes.Type, said any) tftypes.Value {
	texts, ok := said.([]string)
	if !ok {
		return tftypes.NewValue(of, said)
	}
	all := []tftypes.Value{}
	for _, text := range texts {
		all = append(all, tftypes.NewValue(tftypes.String, text))
	}
	return tftypes.NewValue(of, all)
}

func main() {
	text, err := os.ReadFile(os.Getenv("SCHEMA"))
	it := &paper{}
	if err == nil {
		err = json.Unmarshal(text, &it.known)
	}
	if err == nil {
		it.schema = &tfprotov6.GetProviderSchemaResponse{
			ServerCapabilities: &tfprotov6.ServerCapabilities{},
			Provider:           &tfprotov6.Schema{Block: it.known.Provider.schema()},
			ResourceSchemas:    schemas(it.known.Resources),
			DataSourceSchemas:  schemas(it.known.DataSources),
		}
		err = tf6server.Serve("hashicorp/aws", func() tfprotov6.ProviderServer { return it })
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
