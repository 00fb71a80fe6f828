module inferometer/tools/ghz

go 1.14

require (
	github.com/alecthomas/kingpin v1.3.8-0.20191105203113-8c96d1c22481
	github.com/alecthomas/template v0.0.0-20190718012654-fb15b899a751
	github.com/bojand/ghz v0.93.0
	github.com/bojand/hri v1.1.0
	github.com/go-playground/locales v0.13.0 // indirect
	github.com/go-playground/universal-translator v0.16.0 // indirect
	github.com/go-playground/validator v9.30.0+incompatible
	github.com/gogo/protobuf v1.3.1
	github.com/golang/protobuf v1.4.2
	github.com/golangci/golangci-lint v1.31.0
	github.com/google/uuid v1.1.2
	github.com/jhump/protoreflect v1.5.0
	github.com/jinzhu/configor v1.1.1
	github.com/jinzhu/gorm v1.9.11
	github.com/labstack/echo v3.3.10+incompatible
	github.com/labstack/gommon v0.3.0
	github.com/leodido/go-urn v1.2.0 // indirect
	github.com/mfridman/tparse v0.8.3
	github.com/pkg/errors v0.9.1
	github.com/rakyll/statik v0.1.6
	github.com/stretchr/testify v1.6.1
	go.uber.org/multierr v1.3.0
	go.uber.org/zap v1.13.0
	golang.org/x/net v0.0.0-20200625001655-4c5254603344
	golang.org/x/sync v0.0.0-20200625203802-6e8e738ad208
	golang.org/x/tools v0.0.0-20200812195022-5ae4c3c160a0
	google.golang.org/grpc v1.34.0
	gopkg.in/go-playground/assert.v1 v1.2.1 // indirect
)

tool github.com/bojand/ghz/cmd/ghz
